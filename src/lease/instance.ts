// Which server this is: what tells it from a copy of its data directory, and one start from another.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, realpathSync, renameSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DATA_DIR_CHARS_MAX, HOST_NAME_CHARS_MAX, INSTANCE_ID_BYTES, type LeaseHolder } from '../format/lease-file.ts';

const INSTANCE_FILE = 'instance.id';
const ID_TEXT = new RegExp(`^[0-9a-f]{${2 * INSTANCE_ID_BYTES}}\n$`);
/** @source machine-id(5) */
const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
/** @source proc(5), random */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

/**
 * The identity of the server on a data directory that it has locked; makes its id file when there is none.
 * @param dataDir absolute
 */
export function loadInstance(dataDir: string, serverVersion: string): LeaseHolder {
  const path = join(dataDir, INSTANCE_FILE);
  const instanceId = readId(path) ?? makeId(path);
  const { dev, ino } = statSync(path, { bigint: true });
  const boot = readText(BOOT_ID_FILE);
  const machine = MACHINE_ID_FILES.map((path) => readText(path)).find((text) => text !== undefined);
  return {
    instanceId,
    machine: machine === undefined ? null : hashOf('machine', machine),
    life: boot === undefined ? null : hashOf('life', `${boot} ${dev} ${ino}`),
    process: new Uint8Array(randomBytes(INSTANCE_ID_BYTES)),
    hostName: hostname().slice(0, HOST_NAME_CHARS_MAX),
    dataDir: realpathSync(dataDir).slice(0, DATA_DIR_CHARS_MAX),
    serverVersion,
  };
}

/** One that is damaged is made anew: then the server is taken for another one. */
function readId(path: string): Uint8Array | undefined {
  const text = readText(path, { isTrimmed: false });
  return text !== undefined && ID_TEXT.test(text) ? new Uint8Array(Buffer.from(text.trim(), 'hex')) : undefined;
}

function makeId(path: string): Uint8Array {
  const id = randomBytes(INSTANCE_ID_BYTES);
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, `${id.toString('hex')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  return new Uint8Array(id);
}

/** @returns undefined when there is no such file, or nothing in it */
function readText(path: string, { isTrimmed = true } = {}): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return (isTrimmed ? text.trim() : text) || undefined;
  } catch {
    return undefined;
  }
}

/** A machine's own id is not for others to see. @source machine-id(5), "should be hashed" */
function hashOf(what: string, text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`holdfast ${what} ${text}`).digest());
}
