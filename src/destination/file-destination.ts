// Destination in a directory: file://. An object is written under a temporary name, made durable, and then linked to its
// final name, which fails when the name is taken: nothing is ever overwritten, nothing half-written is ever visible.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, opendir, realpath, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail } from '../base/errors.ts';
import { limitsOf } from '../model/destination-options.ts';
import { type FileUri, formatDestinationUri } from '../model/destination-uri.ts';
import type {
  Destination,
  DestinationSpec,
  ObjectAppender,
  ObjectInfo,
  ObjectReader,
  ObjectWriter,
} from './destination.ts';
import { codeOf, destinationFailure } from './file-errors.ts';
import { FileAppender, FileReader, FileWriter, readExactly } from './file-objects.ts';
import { checkObjectName, checkPrefix, isNamePart, isObjectName } from './object-name.ts';

/** Only the user that runs the server may look into a destination. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const TEMPORARY_PREFIX = '.tmp-';
/** A listing stands in memory; a hundred years of daily pieces are a tenth of it. */
const LIST_OBJECTS_MAX = 2_000_000;
/** Directories known to be durable; a bound on memory only: forgetting one costs an fsync. */
const DURABLE_DIRECTORIES_MAX = 10_000;

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
// O_NONBLOCK: opening somebody's named pipe must not hang; it means nothing for regular files.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const NONE: ReadonlySet<string> = new Set();

/** Makes the entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export class FileDestination implements Destination {
  readonly uri: FileUri;
  readonly can = { append: true } as const;
  readonly spec: DestinationSpec;
  readonly #root: string;
  readonly #shown: string;
  readonly #durableDirectories = new Set<string>();

  constructor(uri: FileUri) {
    this.uri = uri;
    this.#root = uri.path;
    this.#shown = formatDestinationUri(uri);
    this.spec = { kind: 'file', path: uri.path, limits: limitsOf(uri) };
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#doing(`write ${name}`, async () => {
      const writer = await this.#startWriter(name);
      try {
        await writer.write(bytes);
        await writer.finish();
      } catch (error) {
        await writer.abort();
        throw error;
      }
    });
  }

  create(name: string): Promise<ObjectWriter> {
    return this.#doing(`create ${name}`, () => this.#startWriter(name));
  }

  openAppend(name: string): Promise<ObjectAppender> {
    return this.#doing(`create ${name}`, async () => {
      const directory = await this.#makeDirectory(name);
      const path = join(this.#root, name);
      const handle = await this.#createFile(path, name, constants.O_APPEND);
      try {
        await syncDirectory(directory);
        return new FileAppender(handle, (error) => this.#mapped(error, `append to ${name}`));
      } catch (error) {
        await handle.close();
        await unlink(path);
        throw error;
      }
    });
  }

  get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    return this.#doing(`read ${name}`, async () => {
      const { handle, sizeBytes } = await this.#openObject(name);
      try {
        const { offset, length } = range ?? { offset: 0, length: sizeBytes };
        return await readExactly(handle, { name, offset, length });
      } finally {
        await handle.close();
      }
    });
  }

  openRead(name: string): Promise<ObjectReader> {
    return this.#doing(`read ${name}`, async () => {
      const { handle, sizeBytes } = await this.#openObject(name);
      return new FileReader(handle, { name, sizeBytes }, (error) => this.#mapped(error, `read ${name}`));
    });
  }

  sync(name: string): Promise<void> {
    return this.#doing(`sync ${name}`, async () => {
      const { handle } = await this.#openObject(name);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await syncDirectory(dirname(join(this.#root, name)));
    });
  }

  size(name: string): Promise<number | undefined> {
    return this.#doing(`look at ${name}`, async () => {
      checkObjectName(name);
      await this.#checkRoot();
      try {
        await this.#checkInside(dirname(join(this.#root, name)), name);
        const found = await lstat(join(this.#root, name));
        if (!found.isFile()) throw this.#notAFile(name);
        return found.size;
      } catch (error) {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
        throw error;
      }
    });
  }

  list(prefix: string): Promise<ObjectInfo[]> {
    return this.#doing(`list ${prefix || 'everything'}`, async () => {
      const directory = checkPrefix(prefix);
      await this.#checkRoot();
      const objects: ObjectInfo[] = [];
      await this.#listInto(directory, objects);
      return objects;
    });
  }

  remove(name: string): Promise<void> {
    return this.#doing(`remove ${name}`, async () => {
      checkObjectName(name);
      await this.#checkRoot();
      const path = join(this.#root, name);
      try {
        await this.#checkInside(dirname(path), name);
        await unlink(path);
        await syncDirectory(dirname(path));
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
      }
    });
  }

  removeAll(prefix: string, keep: ReadonlySet<string> = NONE): Promise<void> {
    return this.#doing(`remove everything in ${prefix || 'it'}`, async () => {
      const directory = checkPrefix(prefix);
      await this.#checkRoot();
      this.#durableDirectories.clear();
      if (directory === '') return this.#removeIn('', keep);
      const path = join(this.#root, directory);
      try {
        await this.#checkInside(dirname(path), directory);
      } catch (error) {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return;
        throw error;
      }
      await this.#removeUnlessKept(directory, keep);
      await syncDirectory(dirname(path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #mapped(error: unknown, what: string): unknown {
    return destinationFailure(error, this.#shown, what);
  }

  async #doing<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#mapped(error, what);
    }
  }

  #notAFile(name: string): Error {
    const because = `${name} is not a regular file`;
    return fail('BACKUP_PERMISSION_DENIED', { uri: this.#shown, because });
  }

  /** A destination that is not mounted must look unreachable, not empty. */
  async #checkRoot(): Promise<void> {
    const root = await stat(this.#root);
    if (!root.isDirectory())
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri: this.#shown, because: 'it is not a directory' });
  }

  /** Refuses a directory that a symbolic link has led out of the destination. @throws ENOENT when it is not there */
  async #checkInside(directory: string, name: string): Promise<void> {
    const root = await realpath(this.#root);
    const real = await realpath(directory);
    if (real === root || real.startsWith(root.endsWith('/') ? root : `${root}/`)) return;
    const because = `${name} leads out of it through a symbolic link`;
    throw fail('BACKUP_PERMISSION_DENIED', { uri: this.#shown, because });
  }

  async #openObject(name: string): Promise<{ handle: FileHandle; sizeBytes: number }> {
    checkObjectName(name);
    await this.#checkRoot();
    const path = join(this.#root, name);
    let handle: FileHandle;
    try {
      await this.#checkInside(dirname(path), name);
      handle = await open(path, READ_FLAGS);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
      throw fail('BACKUP_FILE_NOT_EXIST', { file: `${this.#shown}/${name}` }, { cause: error });
    }
    const found = await handle.stat();
    if (found.isFile()) return { handle, sizeBytes: found.size };
    await handle.close();
    throw this.#notAFile(name);
  }

  async #createFile(path: string, name: string, flags = 0): Promise<FileHandle> {
    try {
      return await open(path, CREATE_FLAGS | flags, FILE_MODE);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      throw fail('ENTRY_EXISTS', { what: `${this.#shown}/${name}` }, { cause: error });
    }
  }

  async #startWriter(name: string): Promise<FileWriter> {
    const directory = await this.#makeDirectory(name);
    const path = join(this.#root, name);
    if (await exists(path)) {
      // Whoever relies on what is there must not lose it: its writer may have died before the name was durable.
      await syncDirectory(directory);
      throw fail('ENTRY_EXISTS', { what: `${this.#shown}/${name}` });
    }
    const temporary = join(directory, `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}`);
    const handle = await this.#createFile(temporary, name);
    return new FileWriter(handle, {
      temporary,
      publish: () => this.#publish({ temporary, path, name }),
      map: (error) => this.#mapped(error, `write ${name}`),
    });
  }

  /** Gives a complete, durable file its name. */
  async #publish({ temporary, path, name }: { temporary: string; path: string; name: string }): Promise<void> {
    try {
      await link(temporary, path);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      // On a network file system the answer of a link that succeeded may get lost and the repeat finds it done.
      const [mine, there] = [await lstat(temporary), await lstat(path)];
      if (mine.ino !== there.ino || mine.dev !== there.dev)
        throw fail('ENTRY_EXISTS', { what: `${this.#shown}/${name}` }, { cause: error });
    }
    try {
      await unlink(temporary);
      await syncDirectory(dirname(path));
    } catch (error) {
      // The name may not survive a power loss: it must not be there for anyone to rely on.
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Makes the directory of an object and makes its name durable up to the root. @returns its path */
  async #makeDirectory(name: string): Promise<string> {
    checkObjectName(name);
    await this.#checkRoot();
    const parts = name.split('/').slice(0, -1);
    const directory = join(this.#root, ...parts);
    if (this.#durableDirectories.has(directory) && (await exists(directory))) {
      await this.#checkInside(directory, name);
      return directory;
    }
    let path = this.#root;
    for (const part of parts) {
      const parent = path;
      path = join(parent, part);
      try {
        await mkdir(path, { mode: DIRECTORY_MODE });
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      await this.#checkInside(path, name);
      // Also when it was there: whoever made it may have died before its name was durable.
      await syncDirectory(parent);
    }
    if (this.#durableDirectories.size >= DURABLE_DIRECTORIES_MAX) this.#durableDirectories.clear();
    this.#durableDirectories.add(directory);
    return directory;
  }

  async #listInto(directory: string, objects: ObjectInfo[]): Promise<void> {
    const path = join(this.#root, directory);
    let entries: Awaited<ReturnType<typeof opendir>>;
    try {
      await this.#checkInside(path, directory);
      entries = await opendir(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return;
      throw error;
    }
    for await (const entry of entries) {
      // What is not ours by its name is nobody's object: temporary files, lost+found, an editor's leavings.
      const name = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (!isObjectName(name)) continue;
      try {
        const found = await lstat(join(this.#root, name));
        if (found.isDirectory()) await this.#listInto(name, objects);
        else if (found.isFile()) objects.push({ name, sizeBytes: found.size });
        if (objects.length > LIST_OBJECTS_MAX)
          throw fail('BACKUP_DEST_NOT_CONNECT', { uri: this.#shown, because: `more than ${LIST_OBJECTS_MAX} objects` });
      } catch (error) {
        // Removed while we were listing.
        if (codeOf(error) !== 'ENOENT') throw error;
      }
    }
  }

  /** Removes a file or directory, but for what is kept in it. */
  async #removeUnlessKept(name: string, keep: ReadonlySet<string>): Promise<void> {
    if (keep.has(name)) return;
    if ([...keep].some((kept) => kept.startsWith(`${name}/`))) {
      if (await exists(join(this.#root, name))) await this.#removeIn(name, keep);
      return;
    }
    // `rm` removes a symbolic link itself and never follows one.
    await rm(join(this.#root, name), { recursive: true, force: true });
  }

  /** In the root, what is not ours stays. */
  async #removeIn(directory: string, keep: ReadonlySet<string>): Promise<void> {
    const path = join(this.#root, directory);
    for await (const { name } of await opendir(path)) {
      if (directory === '' && !isNamePart(name) && !name.startsWith(TEMPORARY_PREFIX)) continue;
      await this.#removeUnlessKept(directory === '' ? name : `${directory}/${name}`, keep);
    }
    await syncDirectory(path);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
