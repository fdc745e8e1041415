/** What the front door refuses before it looks at what is asked for, on every path; the client sees 400, 408, 421, 431 or 501. */
import type { ClientAnswer, Explanation } from './explanation.ts';

const PROXY = 'Once: a mistake. Often: look at what is between the client and the broker.';

const invalid = (status: number) => ({ status, error: 'invalid_request' }) as const;

export const DOOR_REASONS = {
  http_malformed: {
    meaning: 'What came is no HTTP/1.1 request, or broke off in the middle of one.',
    advice:
      'A client that speaks https to this listener, or a scanner. Two lengths, or a length and chunks, are an attempt to make the broker and a proxy see different requests.',
    client: invalid(400),
  },
  request_slow: {
    meaning: 'The headers did not arrive within 5 seconds, or the whole request not within 10.',
    advice: 'From many networks at once: somebody tries to hold all connections, and cannot.',
    client: invalid(408),
  },
  headers_too_large: {
    meaning: 'The headers had more than 16 KB together.',
    advice: PROXY,
    client: invalid(431),
  },
  headers_too_many: {
    meaning: 'The request had more than a hundred headers.',
    advice: PROXY,
    client: invalid(431),
  },
  target_not_path: {
    meaning: 'The request was for a whole address or an asterisk, as proxies are asked, not for a path.',
    advice: 'Somebody takes the broker for an open proxy, or tries to be sent elsewhere.',
    client: invalid(400),
  },
  header_not_once: {
    meaning:
      'A header that may come once came again: a proxy may have read the other one. Or Host is missing.',
    advice: PROXY,
    client: invalid(400),
  },
  transfer_coding: {
    meaning: 'The body came in another transfer coding than chunked, or chunked in HTTP/1.0.',
    advice: 'No client does that: somebody tries to make the broker and a proxy see different requests.',
    client: invalid(501),
  },
  host_unknown: {
    meaning: 'The Host is none of the broker’s own.',
    advice:
      'A health check by address asks at the operations listener instead. A name that should lead here belongs into COUNTERSIGN_URL or COUNTERSIGN_CONSOLE_URL; any other is somebody’s attempt.',
    client: invalid(421),
  },
  forwarding_disagrees: {
    meaning: 'X-Forwarded-For and Forwarded name different clients.',
    advice: 'Let the trusted proxy remove the one of them that it does not write itself.',
    client: invalid(400),
  },
} as const satisfies Record<string, Explanation & { client: ClientAnswer }>;

export type DoorReason = keyof typeof DOOR_REASONS;
