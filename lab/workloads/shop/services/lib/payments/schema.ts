/** How many customers can pay, and with how much: enough that hours of load do not empty a wallet. */
export const walletsCount = 200;
export const openingCents = 1_000_000_000;

/**
 * The tables of payments-db, one statement each. `opening` holds the sum of all money there ever was: wallets,
 * tills, credits and what is under way between the databases must always add up to it.
 */
export const paymentsSchema: readonly string[] = [
  `create table if not exists wallets (
    id int primary key, balance_cents bigint not null check (balance_cents >= 0)
  ) engine=InnoDB`,
  `create table if not exists opening (id int primary key, total_cents bigint not null) engine=InnoDB`,
  `create table if not exists payments (
    order_id varchar(100) primary key,
    wallet int not null,
    amount_cents bigint not null,
    state varchar(20) not null,
    paid_at timestamp(3) not null default current_timestamp(3),
    foreign key (wallet) references wallets (id)
  ) engine=InnoDB`,
  `create table if not exists credit_purchases (
    id varchar(100) primary key,
    wallet int not null,
    customer int not null,
    amount_cents bigint not null,
    foreign key (wallet) references wallets (id)
  ) engine=InnoDB`,
  `create table if not exists outbox (
    seq bigint not null auto_increment unique,
    id varchar(120) primary key,
    kind varchar(40) not null,
    subject varchar(100) not null,
    cause varchar(120),
    customer int not null,
    amount_cents bigint not null,
    delivered_at timestamp(3) null,
    attempted_at timestamp(3) null,
    last_error varchar(200),
    index pending (delivered_at, seq)
  ) engine=InnoDB`,
  `create table if not exists inbox (
    id varchar(120) primary key,
    kind varchar(40) not null,
    order_id varchar(100) not null,
    amount_cents bigint not null,
    received_at timestamp(3) not null default current_timestamp(3)
  ) engine=InnoDB`,
];

/** The opening balances, in one transaction; a second start adds nothing. */
export const openingSql: readonly string[] = [
  `insert ignore into wallets select seq, ${openingCents} from seq_0_to_${walletsCount - 1}`,
  `insert ignore into opening values (1, ${openingCents * walletsCount})`,
];
