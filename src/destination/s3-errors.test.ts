// Goal: what an object store answers becomes the documented error, is asked again where that may help, and shows nothing
// that is secret. Method: errors as the client library makes them.
import { inspect } from 'node:util';
import { describe, expect, it, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { BodyMismatch, isMissing, isTransient, s3Failure } from './s3-errors.ts';

const OF = { uri: 's3://box/a?host=h', what: 'write x', right: 's3:PutObject' };

/** As the library tells an answer of a store. */
function answer(name: string, httpStatusCode: number, more: object = {}): Error {
  const { metadata, ...others } = { metadata: {}, ...more };
  return Object.assign(new Error('UnknownError'), { name, $metadata: { httpStatusCode, ...metadata }, ...others });
}
const ofSystem = (code: string) => Object.assign(new Error(`connect ${code}`), { code });

describe('answers of an object store', () => {
  test.each<[Error, boolean, string]>([
    [answer('SlowDown', 503), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('InternalError', 500), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('UnknownError', 502), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('TooManyRequests', 429), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('RequestTimeout', 400), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('BadDigest', 400), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('ConditionalRequestConflict', 409), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('SyntaxError', 200), true, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('InvalidRequest', 400), false, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('NotImplemented', 501), false, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('NoSuchBucket', 404), false, 'BACKUP_DEST_NOT_CONNECT'],
    [answer('RequestTimeTooSkewed', 403), true, 'BACKUP_PERMISSION_DENIED'],
    [answer('UnknownError', 403, { metadata: { clockSkewCorrected: true } }), true, 'BACKUP_PERMISSION_DENIED'],
    [answer('AccessDenied', 403), false, 'BACKUP_PERMISSION_DENIED'],
    [answer('UnknownError', 403), false, 'BACKUP_PERMISSION_DENIED'],
    [answer('SignatureDoesNotMatch', 403), false, 'BACKUP_PERMISSION_DENIED'],
    [answer('ExpiredToken', 400), false, 'BACKUP_PERMISSION_DENIED'],
    [answer('UnknownError', 401), false, 'BACKUP_PERMISSION_DENIED'],
    [answer('QuotaExceeded', 403), false, 'BACKUP_DEVICE_OUT_OF_SPACE'],
    [answer('UnknownError', 507), false, 'BACKUP_DEVICE_OUT_OF_SPACE'],
    [answer('PermanentRedirect', 301), false, 'S3_REGION_MISMATCH'],
    [answer('AuthorizationHeaderMalformed', 400), false, 'S3_REGION_MISMATCH'],
    [ofSystem('ECONNRESET'), true, 'BACKUP_DEST_NOT_CONNECT'],
    [ofSystem('ECONNREFUSED'), true, 'BACKUP_DEST_NOT_CONNECT'],
    [ofSystem('EAI_AGAIN'), true, 'BACKUP_DEST_NOT_CONNECT'],
    [ofSystem('DEPTH_ZERO_SELF_SIGNED_CERT'), false, 'BACKUP_DEST_NOT_CONNECT'],
    [ofSystem('ENOTFOUND'), false, 'INVALID_OBJECT_STORAGE_ENDPOINT'],
    [new Error('socket hang up'), true, 'BACKUP_DEST_NOT_CONNECT'],
    [Object.assign(new Error('x'), { name: 'TimeoutError' }), true, 'BACKUP_DEST_NOT_CONNECT'],
    [Object.assign(new Error('x'), { name: 'CredentialsProviderError' }), false, 'BACKUP_PERMISSION_DENIED'],
    [new BodyMismatch('x', 'the store sent 1 of 2 bytes'), true, 'BACKUP_DATA_CORRUPT'],
  ])('%o: asked again %s, %s', (error, again, errorName) => {
    expect(isTransient(error)).toBe(again);
    expect(s3Failure(error, OF)).toMatchObject({ errorName });
  });

  it('names what was done, what was answered and the right that is missing', () => {
    const { message } = s3Failure(answer('AccessDenied', 403), OF) as Error;
    expect(message).toContain('write x: AccessDenied (403): the access key lacks the right s3:PutObject there');
  });

  it('keeps nothing of what the store repeats of a request', () => {
    const error = answer('SignatureDoesNotMatch', 403, {
      ...{ AWSAccessKeyId: 'AKIDSECRET', SignatureProvided: 'SIGSECRET', StringToSign: 'AWS4-HMAC-SHA256 SECRET' },
    });
    expect(inspect(s3Failure(error, OF), { depth: 9, showHidden: true })).not.toContain('SECRET');
  });

  it('leaves a bug what it is', () => {
    const bug = new TypeError('x is not a function');
    expect(s3Failure(bug, OF)).toBe(bug);
    expect(isTransient(bug)).toBe(false);
    const own = new HoldfastError('CANCELED', {});
    expect(s3Failure(own, OF)).toBe(own);
  });

  it('tells a missing object from a missing bucket', () => {
    expect(isMissing(answer('NoSuchKey', 404))).toBe(true);
    expect(isMissing(answer('NotFound', 404))).toBe(true);
    expect(isMissing(answer('NoSuchBucket', 404))).toBe(false);
  });
});
