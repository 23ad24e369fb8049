/** How many tills take the revenue: one row would serialise every capture behind one lock. */
export const tillsCount = 8;

/**
 * The tables of orders-db. An order changes state: placed -> paid | refused, paid -> refunding -> refunded.
 * `change_xid` is the transaction that changed the row last: readers that follow the table by it miss nothing,
 * while a sequence would skip rows of transactions that commit late.
 */
export const ordersSchema = `
select pg_advisory_xact_lock(71001);
create table if not exists orders (
  id text primary key,
  customer int not null,
  wallet int not null,
  till int not null,
  total_cents bigint not null check (total_cents > 0),
  state text not null check (state in ('placed', 'paid', 'refused', 'refunding', 'refunded')),
  placed_at timestamptz not null default now(),
  change_xid xid8 not null default pg_current_xact_id()
);
create index if not exists orders_change on orders (change_xid);
create table if not exists order_lines (
  order_id text not null references orders,
  line int not null,
  sku text not null,
  quantity int not null check (quantity > 0),
  price_cents bigint not null,
  primary key (order_id, line)
);
create table if not exists tills (id int primary key, balance_cents bigint not null);
insert into tills select g, 0 from generate_series(0, ${tillsCount - 1}) g on conflict do nothing;
create table if not exists credits (customer int primary key, balance_cents bigint not null);
create table if not exists outbox (
  seq bigserial unique,
  id text primary key,
  kind text not null,
  order_id text not null references orders,
  wallet int not null,
  amount_cents bigint not null,
  published_at timestamptz,
  publishes int not null default 0,
  confirmed_at timestamptz
);
create index if not exists outbox_pending on outbox (seq) where confirmed_at is null;
create table if not exists inbox (
  id text primary key,
  kind text not null,
  subject text not null,
  amount_cents bigint not null,
  received_at timestamptz not null default now()
);
`;

/** The table of the uploads service: the row says what the volume must hold. */
export const uploadsSchema = `
select pg_advisory_xact_lock(71001);
create table if not exists uploads (
  id text primary key,
  order_id text not null,
  path bytea not null unique,
  size_bytes bigint,
  sha256 text,
  sparse boolean not null,
  state text not null check (state in ('writing', 'stored')),
  created_at timestamptz not null default now()
);
`;
