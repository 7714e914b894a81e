// How an object store is reached: the client of AWS's library, made of a uri. The library is loaded when it is first needed.
import type { S3 } from '@aws-sdk/client-s3';
import { setEnvironmentDefault } from '../base/environment.ts';
import type { AccessKey, ObjectStoreUri } from '../model/destination-uri.ts';
import { guardedAgents } from './guarded-agents.ts';

export type { S3 } from '@aws-sdk/client-s3';

/** Connections of one opened destination: parts and ranges at once, and a few for everything else. */
const SOCKETS_MAX = 24;
const KEEP_ALIVE_MS = 15_000;
/** A host that has not taken a connection by then is away. */
const CONNECT_MS = 5_000;
/** A connection on which nothing moves for so long is dead. */
const IDLE_MS = 20_000;
/** What stores without regions of their own are signed for. */
const REGION_DEFAULT = 'us-east-1';

const isAddress = (host: string) => /^(\[.*\]|[\d.]+|localhost)(:\d+)?$/.test(host);
const isAws = (host: string) => /(^|\.)amazonaws\.com(\.cn)?(:\d+)?$/.test(host);

const bareHost = ({ host }: ObjectStoreUri) => host.replace(/^http:\/\//, '');

/**
 * The region that requests are signed for.
 * @source AWS, Alibaba Cloud OSS and Tencent COS documentation, endpoints
 */
export function regionOf(uri: ObjectStoreUri): string {
  const [, region] =
    /(?:^|\.)(?:s3[.-]|s3-fips\.|s3\.dualstack\.)([a-z]{2,}(?:-[a-z]+)+-\d)\.amazonaws\.com/.exec(bareHost(uri)) ??
    /(?:^|\.)(oss-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com/.exec(bareHost(uri)) ??
    /(?:^|\.)cos\.([a-z0-9-]+)\.(?:myqcloud|tencentcos)\.com/.exec(bareHost(uri)) ??
    [];
  return uri.options.s3_region ?? region ?? REGION_DEFAULT;
}

/**
 * Whether the bucket stands in the path of a request, not in the name of the host. OSS and COS take only the latter,
 * a server with an address or a name of its own only the former. A dot in a bucket's name fits no certificate.
 */
export function isPathStyle(uri: ObjectStoreUri): boolean {
  const host = bareHost(uri);
  if (isAddress(host)) return true;
  return uri.scheme === 's3' && (!isAws(host) || uri.bucket.includes('.'));
}

/** Whether a put that says "only if there is none" is known to be heeded, for parts and copies too. @source AWS S3 documentation, conditional writes */
export function hasConditionalWrites(uri: ObjectStoreUri): boolean {
  return isAws(bareHost(uri));
}

let library: Promise<typeof import('@aws-sdk/client-s3')> | undefined;

function loadLibrary() {
  // It warns that versions from 2027 on will need Node.js 22; ours is pinned, and users can do nothing about it.
  setEnvironmentDefault('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');
  library ??= import('@aws-sdk/client-s3');
  return library;
}

/** Reads an access key that may be another one by now; undefined when there is none any more. */
export type ReadAccess = () => AccessKey | undefined;

/** A key that is said to have expired is asked for again with each request: one that was changed is used at once. */
const EXPIRED = new Date(0);

/** Without a key: the environment, the task's or the instance's role, as the library looks for them. */
function credentialsOf(opened: AccessKey | undefined, read: ReadAccess | undefined) {
  if (!opened) return {};
  let known = opened;
  const credentials = async () => {
    // Where no key is kept any more, what is open still goes on.
    known = read?.() ?? known;
    const { accessId, accessKey } = known;
    const expiration = read ? { expiration: EXPIRED } : {};
    return { accessKeyId: accessId, secretAccessKey: accessKey, ...expiration };
  };
  return { credentials };
}

/** Opens a client; asks nothing of the store. Its retries and checksums are ours: it makes one attempt. */
export async function openS3(uri: ObjectStoreUri, access?: ReadAccess): Promise<S3> {
  const { S3: Client } = await loadLibrary();
  const agent = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: SOCKETS_MAX };
  const agents = guardedAgents(uri, agent);
  const client = new Client({
    endpoint: uri.host.startsWith('http://') ? uri.host : `https://${uri.host}`,
    region: regionOf(uri),
    forcePathStyle: isPathStyle(uri),
    ...credentialsOf(uri.access, access),
    ...{ maxAttempts: 1, retryMode: 'standard', defaultsMode: 'standard', ignoreConfiguredEndpointUrls: true },
    ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
    ...{ useFipsEndpoint: false, useDualstackEndpoint: false, followRegionRedirects: false },
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      httpAgent: agents.http,
      httpsAgent: agents.https,
    },
  });
  // The signature covers the header Content-MD5, and with it the body: a SHA-256 of the body for the signature would cost
  // as much again and prove nothing more.
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      if (headers['content-md5'] !== undefined) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'signWithoutBody' },
  );
  return client;
}
