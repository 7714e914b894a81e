// The object store of the benchmarks: a bucket of the S3 server that the tests use, or one that the environment names.

import type { Destination } from '../src/destination/destination.ts';
import { openDestination } from '../src/destination/open-destination.ts';
import type { AccessKey, ObjectStoreUri } from '../src/model/destination-uri.ts';

export class ObjectStore {
  readonly endpoint: string;
  readonly bucket: string;
  readonly access: AccessKey;

  /** @param of.endpoint `http://host:port` */
  constructor(of: { endpoint: string; bucket: string; access: AccessKey }) {
    this.endpoint = of.endpoint;
    this.bucket = of.bucket;
    this.access = of.access;
  }

  /** For programs that take AWS's variables. */
  get env(): Record<string, string> {
    return { AWS_ACCESS_KEY_ID: this.access.accessId, AWS_SECRET_ACCESS_KEY: this.access.accessKey };
  }

  /** As a statement names it. */
  uri(prefix: string): string {
    const { accessId, accessKey } = this.access;
    return `s3://${this.bucket}/${prefix}?host=${this.endpoint}&access_id=${accessId}&access_key=${accessKey}`;
  }

  open(prefix: string): Destination {
    const { bucket, endpoint: host, access } = this;
    const uri: ObjectStoreUri = { scheme: 's3', bucket, path: `/${prefix}`, host, options: {}, access };
    return openDestination(uri);
  }

  async storedBytes(prefix: string): Promise<number> {
    await using destination = this.open(prefix);
    return (await destination.list('')).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  async remove(prefix: string): Promise<void> {
    await using destination = this.open(prefix);
    await destination.removeAll('');
  }
}
