// Facts that several kinds of file hold: cluster, tenant, ids, sizes; each with its bounds.
import { COMMENT_CHARS_MAX, NAME_CHARS_MAX } from '../base/limits.ts';
import type { TenantMode } from '../model/tenant.ts';
import { type Codec, integer, oneOf, record, text, textLike } from './json-codec.ts';

export const UINT32_MAX = 2 ** 32 - 1;
/** Longest object name at a destination. */
const OBJECT_NAME_CHARS_MAX = 512;
/** Longest version text of an engine or server. */
const VERSION_CHARS_MAX = 64;
/** Longest name of a time zone, for example `America/Argentina/ComodRivadavia`. */
const TIME_ZONE_CHARS_MAX = 64;

export const uuid: Codec<string> = textLike(
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  'a uuid in lower case',
);
export const name: Codec<string> = text(NAME_CHARS_MAX);
export const comment: Codec<string> = text(COMMENT_CHARS_MAX);
export const version: Codec<string> = text(VERSION_CHARS_MAX);
export const objectName: Codec<string> = textLike(
  new RegExp(`^(?=.{1,${OBJECT_NAME_CHARS_MAX}}$)[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`),
  'an object name',
);
export const id: Codec<number> = integer(0, Number.MAX_SAFE_INTEGER);
export const size: Codec<number> = integer(0, Number.MAX_SAFE_INTEGER);
export const uint32: Codec<number> = integer(0, UINT32_MAX);

export interface ClusterFacts {
  name: string;
  /** 1 to 2^32-1. */
  id: number;
  uuid: string;
}

export interface TenantFacts {
  id: number;
  name: string;
  mode: TenantMode;
  /** In which UNTIL TIME is read when the session says nothing else. */
  timeZone: string;
}

export const clusterId: Codec<number> = integer(1, UINT32_MAX);
export const cluster: Codec<ClusterFacts> = record<ClusterFacts>({ name, id: clusterId, uuid });
export const tenant: Codec<TenantFacts> = record<TenantFacts>({
  id,
  name,
  mode: oneOf('mysql', 'oracle'),
  timeZone: text(TIME_ZONE_CHARS_MAX),
});
