// Bounds that more than one room must agree on. A bound of one room lives in that room.

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Plain bytes in one data block of a backup set: compression and encryption are flat from 256 KiB to 4 MiB. */
export const BLOCK_PLAIN_BYTES = 1 * MIB;

/** Longest identifier of a tenant, user, pool or unit (OceanBase: 63 for tenants; MySQL clients show 64). */
export const NAME_CHARS_MAX = 63;

/** User tenants have even ids from here; the odd id below belongs to the meta tenant (never used here). */
export const USER_TENANT_ID_FIRST = 1002;
export const SYS_TENANT_ID = 1;

/** Longest text of a user (DESCRIPTION) or of a cause (COMMENT) that a view can show. */
export const COMMENT_CHARS_MAX = 4096;

/** Longest destination uri, as documented for PATH. */
export const URI_CHARS_MAX = 2048;
