import type { Facts } from '../facts.ts';
import { each, sum, together } from '../rule.ts';
import type { Rule } from '../rule.ts';

export const cartTotalsAreTheSumOfTheItems: Rule = {
  name: 'cartTotalsAreTheSumOfTheItems',
  says: 'the total of every cart is the sum of its items',
  needsJournal: false,
  check: ({ carts }: Facts) =>
    each(carts, (cart) => {
      const found = sum([...cart.items.values()].map((item) => item.quantity));
      return found === cart.total ? undefined : `cart ${cart.cart} says ${cart.total}, its items are ${found}`;
    }),
};

export const replicaEqualsPrimary: Rule = {
  name: 'replicaEqualsPrimary',
  says: 'the replica is a standby, catches up with the primary, and has the same rows',
  needsJournal: false,
  check: ({ replica }: Facts) => {
    const state: string[] = [];
    if (!replica.inRecovery) state.push('the replica is no standby any more');
    if (!replica.caughtUp) state.push('the replica did not catch up with the primary');
    return together(
      { checked: 0, violations: state },
      each(replica.tables, ({ table, primary, replica: copy }) =>
        primary === copy ? undefined : `table ${table}: the primary has ${primary}, the replica ${copy}`,
      ),
    );
  },
};

export const indexEqualsOrders: Rule = {
  name: 'indexEqualsOrders',
  says: 'the search index holds exactly the orders, in their present state',
  needsJournal: false,
  check: ({ orders, index }: Facts) => {
    const indexed = new Map(index.map((order) => [order.id, order]));
    return together(
      each(orders.orders.values(), (order) => {
        const found = indexed.get(order.id);
        if (found === undefined) return `order ${order.id} is not in the index`;
        if (found.totalCents !== order.totalCents || found.customer !== order.customer) {
          return `order ${order.id} is another one in the index`;
        }
        return found.state === order.state
          ? undefined
          : `order ${order.id} is ${order.state}, in the index ${found.state}`;
      }),
      each(index, (order) =>
        orders.orders.has(order.id) ? undefined : `the index has ${order.id}, which is no order`,
      ),
    );
  },
};
