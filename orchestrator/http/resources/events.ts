import { z } from 'zod';
import type { EventBus } from '../../store/event-bus.ts';
import type { OnEvent } from '../../store/event-feed.ts';
import { createEventStream } from '../event-stream.ts';
import type { Handlers } from '../handler.ts';
import { parsePart } from '../parse.ts';

const headersSchema = z.object({
  'last-event-id': z
    .string()
    .regex(/^\d{1,15}-\d{1,15}$/, 'expected the id of an event of this stream')
    .optional(),
});

export const eventHandlers = (bus: EventBus): Pick<Handlers, 'streamEvents'> => ({
  async streamEvents({ query }, { principal, request, response, signal }) {
    const { 'last-event-id': fromId } = parsePart(headersSchema, request.headers, 'headers');
    const stream = createEventStream(response, signal);
    const onEvent: OnEvent = (id, event) => {
      const wanted =
        query.jobId === undefined || event.type === 'reset' || event.jobId === query.jobId;
      if (wanted) stream.send(id, event.type, event);
    };
    await bus.subscribe(principal.studio, fromId, onEvent, stream.signal);
    stream.open();
    await stream.ended();
    stream.end();
  },
});
