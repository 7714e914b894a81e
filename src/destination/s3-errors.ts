// What an object store answers, in the words of the error table. Its own texts, keys and signatures never get into ours:
// an answer is known by its code and its status alone.
import { fail, HoldfastError } from '../base/errors.ts';
import { codeOf } from './file-errors.ts';
import { certificateFault } from './guarded-agents.ts';

/** What is known of a failed request. */
export interface S3Answer {
  /** Code of the store (`SlowDown`), of the operating system (`ECONNRESET`) or of the client library (`TimeoutError`). */
  code: string;
  /** HTTP status; 0 when there was no answer. */
  status: number;
  /** The store's clock was another one, and the next request goes by it. */
  isClockCorrected: boolean;
}

/** Answers that another attempt may change, whatever their status. */
const TRANSIENT_CODES = new Set([
  ...['SlowDown', 'Throttling', 'ThrottlingException', 'TooManyRequests', 'RequestLimitExceeded', 'Busy'],
  ...['InternalError', 'ServiceUnavailable', 'RequestTimeout', 'RequestTimeTooSkewed', 'OperationAborted'],
  // Two conditional writes at once: the store asks for another attempt.
  'ConditionalRequestConflict',
  // The bytes changed on their way.
  ...['BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody'],
  ...['TimeoutError', 'AbortError', 'ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'],
  ...['ENETUNREACH', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'ERR_STREAM_PREMATURE_CLOSE', 'EPROTO', 'BodyMismatch'],
]);
const TRANSIENT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);
const OUT_OF_SPACE = new Set([
  ...['QuotaExceeded', 'QuotaExceededException', 'InsufficientStorage', 'XMinioStorageFull', 'EntityTooLarge'],
  ...['StorageFull', 'ServiceQuotaExceededException', 'TooManyObjects'],
]);
const NO_BUCKET = new Set(['NoSuchBucket', 'NoSuchBucketError']);
const WRONG_KEY = new Set([
  ...['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken', 'ExpiredToken', 'TokenRefreshRequired'],
  ...['InvalidSecurity', 'NotSignedUp', 'CredentialsProviderError'],
]);
const REGION_MISMATCH = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);
/** Names that no store has: the host does not exist, or does not speak S3. */
const NO_ENDPOINT = new Set(['ENOTFOUND', 'ERR_INVALID_URL', 'EBADNAME', 'InvalidEndpoint']);
const CODE_CHARS_MAX = 64;

/** What the client library tells of an answer. */
interface SdkMetadata {
  httpStatusCode?: number;
  clockSkewCorrected?: boolean;
}

/** A body that is not what was asked for: it ended early, or is of another range. Another attempt may bring it. */
export class BodyMismatch extends Error {
  override readonly name = 'BodyMismatch';
  readonly object: string;

  constructor(object: string, because: string) {
    super(because);
    this.object = object;
  }
}

/** An attempt that took too long: as the client library names one whose connection was silent. */
export class LateAnswer extends Error {
  override readonly name = 'TimeoutError';
}

/** @returns undefined for a failure of our own */
export function answerOf(error: unknown): S3Answer | undefined {
  if (!(error instanceof Error) || error instanceof HoldfastError) return undefined;
  const metadata = '$metadata' in error ? (error.$metadata as SdkMetadata) : undefined;
  const status = metadata?.httpStatusCode ?? 0;
  const isClockCorrected = metadata?.clockSkewCorrected === true;
  const ofSystem = codeOf(error) ?? codeOf(error.cause);
  const name = error.name === 'Error' ? undefined : error.name;
  const isKnown = metadata !== undefined || ofSystem !== undefined || isByName(error.name) || isHangUp(error);
  if (!isKnown) return undefined;
  const code = ofSystem ?? (isHangUp(error) ? 'ECONNRESET' : (name ?? 'UnknownError'));
  return { code: code.replace(/[^\w.]/g, '').slice(0, CODE_CHARS_MAX), status, isClockCorrected };
}

const isByName = (name: string) => TRANSIENT_CODES.has(name) || WRONG_KEY.has(name);
const isHangUp = (error: Error) => /^(socket hang up|aborted|premature close)$/i.test(error.message);

/** Whether another attempt may end better. */
export function isTransient(error: unknown): boolean {
  const answer = answerOf(error);
  if (!answer) return false;
  const { code, status, isClockCorrected } = answer;
  if (OUT_OF_SPACE.has(code)) return false;
  // An answer that says "done" and can not be read: a proxy cut it, or answered in the store's place.
  const isUnreadable = status >= 200 && status < 300;
  return TRANSIENT_CODES.has(code) || TRANSIENT_STATUS.has(status) || isUnreadable || isClockCorrected;
}

/** True for an object, version or upload that is not there; also for a bucket that is not, of which a HEAD tells no more. */
export function isMissing(error: unknown): boolean {
  const answer = answerOf(error);
  return answer?.status === 404 && !NO_BUCKET.has(answer.code);
}

/** True when a condition of the request did not hold. */
export function isPreconditionFailed(error: unknown): boolean {
  return answerOf(error)?.status === 412;
}

/** True when the store does not know what was asked for. */
export function isNotImplemented(error: unknown): boolean {
  const answer = answerOf(error);
  return answer !== undefined && (answer.status === 501 || answer.code === 'NotImplemented');
}

/** True when a range lies behind the end of an object. */
export function isBehindEnd(error: unknown): boolean {
  return answerOf(error)?.status === 416;
}

export function isDenied(error: unknown): boolean {
  return answerOf(error)?.status === 403;
}

/**
 * The expected error for a failed request.
 * @param of.uri as it may be shown
 * @param of.what the operation and its object: `write pieces/x`
 * @param of.right the permission that it needs: `s3:PutObject`
 */
export function s3Failure(error: unknown, of: { uri: string; what: string; right: string }): unknown {
  const answer = answerOf(error);
  // Anything that is no answer of a store, or of the way to it, is a bug and stays what it is.
  if (!answer) return error;
  if (error instanceof BodyMismatch)
    return fail('BACKUP_DATA_CORRUPT', { object: error.object, because: error.message });
  const { uri, what, right } = of;
  const { code, status } = answer;
  const said = status === 0 ? code : `${code} (${status})`;
  // The library's own error holds what the store said, which may repeat a signature: it is not kept as the cause.
  if (OUT_OF_SPACE.has(code) || status === 507) return fail('BACKUP_DEVICE_OUT_OF_SPACE', { uri });
  if (NO_BUCKET.has(code)) {
    const because = `${what}: ${code}: there is no such bucket, or it is another account's; make it first`;
    return fail('BACKUP_DEST_NOT_CONNECT', { uri, because });
  }
  if (REGION_MISMATCH.has(code) || status === 301) return fail('S3_REGION_MISMATCH', { uri });
  if (NO_ENDPOINT.has(code)) return fail('INVALID_OBJECT_STORAGE_ENDPOINT', { uri, because: said });
  if (WRONG_KEY.has(code) || status === 401) {
    const because = `${what}: ${said}: the store does not take the access key; check access_id and access_key, or what the environment or the instance gives`;
    return fail('BACKUP_PERMISSION_DENIED', { uri, because });
  }
  if (status === 403) {
    // The answer to a HEAD has no code: it does not tell a wrong key from a missing right.
    const isCoded = code === 'AccessDenied' || code === 'AllAccessDisabled';
    const because = `${what}: ${said}: the access key ${isCoded ? '' : 'is wrong, or '}lacks the right ${right} there`;
    return fail('BACKUP_PERMISSION_DENIED', { uri, because });
  }
  const fault = certificateFault(error);
  return fail('BACKUP_DEST_NOT_CONNECT', { uri, because: `${what}: ${said}${fault ? `: ${fault}` : ''}` });
}
