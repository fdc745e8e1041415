/** Refusals as Entra words them: an OAuth error, and an AADSTS number by which the exact reason is looked up. */
import { randomUUID } from 'node:crypto';

/** Every refusal that the stand-in knows: Entra's number, the OAuth error and the HTTP status that go with it. */
const FAILURES = {
  500011: { status: 400, error: 'invalid_resource' },
  500112: { status: 400, error: 'invalid_client' },
  50011: { status: 400, error: 'invalid_request' },
  50027: { status: 401, error: 'invalid_client' },
  50058: { status: 400, error: 'login_required' },
  501481: { status: 400, error: 'invalid_grant' },
  54005: { status: 400, error: 'invalid_grant' },
  70003: { status: 400, error: 'unsupported_grant_type' },
  70008: { status: 400, error: 'invalid_grant' },
  70011: { status: 400, error: 'invalid_scope' },
  700016: { status: 400, error: 'unauthorized_client' },
  700023: { status: 401, error: 'invalid_client' },
  700024: { status: 401, error: 'invalid_client' },
  700027: { status: 401, error: 'invalid_client' },
  700054: { status: 400, error: 'unsupported_response_type' },
  700212: { status: 401, error: 'invalid_client' },
  700213: { status: 401, error: 'invalid_client' },
  7000215: { status: 401, error: 'invalid_client' },
  7000218: { status: 401, error: 'invalid_client' },
  90002: { status: 400, error: 'invalid_tenant' },
  900144: { status: 400, error: 'invalid_request' },
  9002313: { status: 400, error: 'invalid_grant' },
  90014: { status: 400, error: 'invalid_request' },
  1002012: { status: 400, error: 'invalid_scope' },
} as const;

export type AadstsNumber = keyof typeof FAILURES;

/** A refusal that the caller is told of. */
export class EntraFailure extends Error {
  readonly number: AadstsNumber;
  readonly error: string;
  readonly status: number;

  constructor(number: AadstsNumber, message: string) {
    super(message);
    this.number = number;
    this.error = FAILURES[number].error;
    this.status = FAILURES[number].status;
  }
}

const timestampOf = (now: Date): string =>
  now
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');

/** The refusal's text as a browser or `error_description` gets it. */
export const describeFailure = (
  failure: EntraFailure,
  now: Date,
  traceId: string,
  correlationId: string,
): string =>
  `AADSTS${failure.number}: ${failure.message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestampOf(now)}`;

/** The JSON body of Entra's token and metadata endpoints when they refuse. */
export const renderFailure = (
  failure: EntraFailure,
  now: Date,
  correlationId: string,
): Readonly<Record<string, unknown>> => {
  const traceId = randomUUID();
  return {
    error: failure.error,
    error_description: describeFailure(failure, now, traceId, correlationId),
    error_codes: [failure.number],
    timestamp: timestampOf(now),
    trace_id: traceId,
    correlation_id: correlationId,
  };
};
