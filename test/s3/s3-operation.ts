// Which S3 operation an HTTP request is, by its method, path and query.

export interface S3Request {
  /** As AWS names it: `PutObject`, `UploadPart`, `ListObjectsV2`. */
  operation: string;
  bucket: string;
  /** Name of the object; '' when the bucket itself is meant. */
  key: string;
  /** What tells requests of one operation and key apart: the part's number, the range, the prefix and its page. */
  detail: string;
}

const OF_OBJECT: Record<string, (query: URLSearchParams) => string> = {
  PUT: (query) => (query.has('partNumber') ? 'UploadPart' : query.has('tagging') ? 'PutObjectTagging' : 'PutObject'),
  POST: (query) => (query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload'),
  GET: (query) => (query.has('uploadId') ? 'ListParts' : query.has('tagging') ? 'GetObjectTagging' : 'GetObject'),
  HEAD: () => 'HeadObject',
  DELETE: (query) => (query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject'),
};

const OF_BUCKET: Record<string, (query: URLSearchParams) => string> = {
  PUT: () => 'CreateBucket',
  POST: () => 'DeleteObjects',
  GET: (query) =>
    query.has('uploads')
      ? 'ListMultipartUploads'
      : query.has('versions')
        ? 'ListObjectVersions'
        : query.has('list-type')
          ? 'ListObjectsV2'
          : 'GetBucket',
  HEAD: () => 'HeadBucket',
  DELETE: () => 'DeleteBucket',
};

/** @param target path and query, with the bucket in the path */
export function readS3Request(method: string, target: string, range: string | undefined): S3Request {
  const { pathname, searchParams: query } = new URL(target, 'http://proxy');
  const [bucket = '', ...rest] = decodeURIComponent(pathname.slice(1)).split('/');
  const key = rest.join('/');
  const operation = (key === '' ? OF_BUCKET : OF_OBJECT)[method]?.(query) ?? method;
  const page = query.get('continuation-token') ?? query.get('key-marker') ?? '';
  const detail = [query.get('partNumber'), query.get('prefix'), page === '' ? '' : 'next page', range].join(' ').trim();
  return { operation, bucket, key, detail };
}
