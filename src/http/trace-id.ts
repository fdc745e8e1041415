import { newTraceId } from '../ids.ts';

/** W3C trace context: the caller's trace id, 32 hex digits, or a fresh one. `traceparent` is the header, '' if absent. */
export const traceIdOf = (traceparent: string): string =>
  /^00-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(traceparent)?.[1] ?? newTraceId();
