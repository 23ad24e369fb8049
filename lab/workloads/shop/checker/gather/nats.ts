import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import {
  clickSubject,
  connectEvents,
  orderEventSchema,
  paymentsConsumer,
  streamName,
} from '../../services/lib/events.ts';
import type { EventsTarget } from '../../services/lib/events.ts';
import type { EventsFacts } from '../facts.ts';

/** Reads the whole stream up to where it ends now. */
export async function gatherEvents(target: EventsTarget, signal?: AbortSignal): Promise<EventsFacts> {
  const connection = await connectEvents(target, 'checker');
  try {
    const manager = await jetstreamManager(connection);
    const info = await manager.streams.info(streamName);
    const consumed = await manager.consumers.info(streamName, paymentsConsumer);
    const orderEvents: Array<{ seq: number; id: string; orderId: string }> = [];
    const clicks = new Set<string>();
    if (info.state.messages > 0) {
      const reader = await jetstream(connection).consumers.get(streamName);
      for await (const message of await reader.consume({ max_messages: 2000 })) {
        signal?.throwIfAborted();
        if (message.subject === clickSubject) {
          clicks.add(message.json<{ id: string }>().id);
        } else {
          const { id, orderId } = orderEventSchema.parse(message.json());
          orderEvents.push({ seq: message.seq, id, orderId });
        }
        if (message.seq >= info.state.last_seq) break;
      }
    }
    return { orderEvents, clicks, consumerFloor: consumed.ack_floor.stream_seq };
  } finally {
    await connection.close();
  }
}
