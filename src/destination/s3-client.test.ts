// Goal: each provider is spoken to as it wants it, by its host alone.
import { expect, it, test } from 'vitest';
import { type ObjectStoreUri, parseDestinationUri } from '../model/destination-uri.ts';
import { hasConditionalWrites, isPathStyle, regionOf } from './s3-client.ts';

const uri = (text: string) => parseDestinationUri(text) as ObjectStoreUri;

test.each([
  ['s3://box/a?host=s3.eu-west-1.amazonaws.com', 'eu-west-1', false],
  ['s3://box/a?host=s3-eu-west-1.amazonaws.com', 'eu-west-1', false],
  ['s3://box/a?host=s3.us-gov-west-1.amazonaws.com', 'us-gov-west-1', false],
  ['s3://box/a?host=s3.cn-north-1.amazonaws.com.cn', 'cn-north-1', false],
  ['s3://box/a?host=s3.amazonaws.com', 'us-east-1', false],
  ['s3://my.box/a?host=s3.eu-west-1.amazonaws.com', 'eu-west-1', true],
  ['s3://box/a?host=s3.amazonaws.com&s3_region=eu-west-3', 'eu-west-3', false],
  ['s3://box/a?host=minio.example:9000', 'us-east-1', true],
  ['s3://box/a?host=http://127.0.0.1:9000', 'us-east-1', true],
  ['s3://box/a?host=storage.googleapis.com', 'us-east-1', true],
  ['oss://box/a?host=oss-cn-hangzhou.aliyuncs.com', 'oss-cn-hangzhou', false],
  ['oss://box/a?host=oss-cn-hangzhou-internal.aliyuncs.com', 'oss-cn-hangzhou', false],
  ['oss://box/a?host=http://127.0.0.1:9000', 'us-east-1', true],
  ['cos://box-1250000000/a?host=cos.ap-guangzhou.myqcloud.com', 'ap-guangzhou', false],
])('%s is signed for %s, bucket in the path: %s', (text, region, inPath) => {
  expect(regionOf(uri(text))).toBe(region);
  expect(isPathStyle(uri(text))).toBe(inPath);
});

it('trusts the conditions of AWS alone', () => {
  expect(hasConditionalWrites(uri('s3://box/a?host=s3.eu-west-1.amazonaws.com'))).toBe(true);
  expect(hasConditionalWrites(uri('s3://box/a?host=s3.example'))).toBe(false);
  expect(hasConditionalWrites(uri('s3://box/a?host=amazonaws.com.evil.example'))).toBe(false);
});
