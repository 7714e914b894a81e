// Numbers of the MySQL protocol (version 10, "4.1" packets) that this server speaks.
// Source: MySQL Internals / MySQL 8.0 source documentation, "Client/Server Protocol".
import { KIB, MIB } from '../base/limits.ts';

/** Payload bytes of one frame; a payload of exactly this length is continued by another frame. */
export const FRAME_PAYLOAD_BYTES_MAX = 0xff_ff_ff;
export const FRAME_HEADER_BYTES = 4;

/** What `max_allowed_packet` says: MySQL 8.0's default, enough for a 20 MB row or statement with room to spare. */
export const MAX_ALLOWED_PACKET_BYTES = 64 * MIB;

/** Largest packet before the login is complete: a handshake response with all its attributes is below 64 KiB. */
export const LOGIN_PACKET_BYTES_MAX = 64 * KIB;

/** Largest packet that we send: the protocol's own ceiling for `max_allowed_packet`. */
export const SENT_PACKET_BYTES_MAX = 1024 * MIB;

export const CAPABILITY = {
  LONG_PASSWORD: 1,
  FOUND_ROWS: 1 << 1,
  LONG_FLAG: 1 << 2,
  CONNECT_WITH_DB: 1 << 3,
  IGNORE_SPACE: 1 << 8,
  PROTOCOL_41: 1 << 9,
  INTERACTIVE: 1 << 10,
  SSL: 1 << 11,
  TRANSACTIONS: 1 << 13,
  SECURE_CONNECTION: 1 << 15,
  MULTI_STATEMENTS: 1 << 16,
  MULTI_RESULTS: 1 << 17,
  PS_MULTI_RESULTS: 1 << 18,
  PLUGIN_AUTH: 1 << 19,
  CONNECT_ATTRS: 1 << 20,
  PLUGIN_AUTH_LENENC: 1 << 21,
  SESSION_TRACK: 1 << 23,
  DEPRECATE_EOF: 1 << 24,
} as const;

/**
 * What the server offers; SSL is added when it has a certificate.
 * LONG_PASSWORD set tells MariaDB's clients that this is not a MariaDB server, so they leave its extensions alone.
 */
export const SERVER_CAPABILITIES =
  CAPABILITY.LONG_PASSWORD |
  CAPABILITY.FOUND_ROWS |
  CAPABILITY.LONG_FLAG |
  CAPABILITY.CONNECT_WITH_DB |
  CAPABILITY.IGNORE_SPACE |
  CAPABILITY.PROTOCOL_41 |
  CAPABILITY.INTERACTIVE |
  CAPABILITY.TRANSACTIONS |
  CAPABILITY.SECURE_CONNECTION |
  CAPABILITY.MULTI_STATEMENTS |
  CAPABILITY.MULTI_RESULTS |
  CAPABILITY.PS_MULTI_RESULTS |
  CAPABILITY.PLUGIN_AUTH |
  CAPABILITY.CONNECT_ATTRS |
  CAPABILITY.PLUGIN_AUTH_LENENC |
  CAPABILITY.DEPRECATE_EOF;

export const STATUS = {
  IN_TRANS: 0x0001,
  AUTOCOMMIT: 0x0002,
  /** OceanBase's own, in the OK of a login alone: the tenant is an oracle tenant. MySQL's clients ignore it. */
  ORACLE_MODE: 0x0004,
  MORE_RESULTS_EXISTS: 0x0008,
} as const;

export const COMMAND = {
  QUIT: 0x01,
  INIT_DB: 0x02,
  QUERY: 0x03,
  FIELD_LIST: 0x04,
  STATISTICS: 0x09,
  PROCESS_INFO: 0x0a,
  PROCESS_KILL: 0x0c,
  PING: 0x0e,
  CHANGE_USER: 0x11,
  STMT_PREPARE: 0x16,
  STMT_EXECUTE: 0x17,
  STMT_SEND_LONG_DATA: 0x18,
  STMT_CLOSE: 0x19,
  STMT_RESET: 0x1a,
  SET_OPTION: 0x1b,
  RESET_CONNECTION: 0x1f,
} as const;

/** Codes of column and parameter types. */
export const TYPE = {
  DECIMAL: 0x00,
  TINY: 0x01,
  SHORT: 0x02,
  LONG: 0x03,
  FLOAT: 0x04,
  DOUBLE: 0x05,
  NULL: 0x06,
  TIMESTAMP: 0x07,
  LONGLONG: 0x08,
  INT24: 0x09,
  DATE: 0x0a,
  TIME: 0x0b,
  DATETIME: 0x0c,
  YEAR: 0x0d,
  VARCHAR: 0x0f,
  BIT: 0x10,
  JSON: 0xf5,
  NEWDECIMAL: 0xf6,
  ENUM: 0xf7,
  SET: 0xf8,
  TINY_BLOB: 0xf9,
  MEDIUM_BLOB: 0xfa,
  LONG_BLOB: 0xfb,
  BLOB: 0xfc,
  VAR_STRING: 0xfd,
  STRING: 0xfe,
  GEOMETRY: 0xff,
} as const;

export const COLUMN_FLAG = {
  NOT_NULL: 0x0001,
  BLOB: 0x0010,
  UNSIGNED: 0x0020,
  BINARY: 0x0080,
} as const;

export const CHARSET = {
  UTF8MB4_GENERAL_CI: 45,
  BINARY: 63,
} as const;

/** First byte of packets that are not rows. */
export const HEADER = {
  OK: 0x00,
  AUTH_MORE_DATA: 0x01,
  NULL_VALUE: 0xfb,
  EOF: 0xfe,
  ERR: 0xff,
} as const;

export const NATIVE_PLUGIN = 'mysql_native_password';
export const SHA2_PLUGIN = 'caching_sha2_password';
export type AuthPlugin = typeof NATIVE_PLUGIN | typeof SHA2_PLUGIN;

/** Bytes of a scramble, for both plugins. */
export const SCRAMBLE_BYTES = 20;
