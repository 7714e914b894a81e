// Several archive destinations read as one: pieces of one archive that were moved to different places.
import { AssertionFailure, assert } from '../base/assert.ts';
import { fail, isFailure } from '../base/errors.ts';
import type { Destination, ObjectInfo } from './destination.ts';

const isReadOnly = (): never => {
  throw new AssertionFailure('joined destinations are only read');
};

/**
 * Reads an object where it is; of one that lies in several places the longest counts, because one that is copied while it
 * grows is a beginning of it. Closing it closes the parts.
 */
export function joinDestinations(parts: readonly Destination[]): Destination {
  const [first] = parts;
  assert(first, 'something is joined');
  if (parts.length === 1) return first;
  const holder = async (name: string): Promise<Destination> => {
    const sizes = await Promise.all(parts.map((part) => part.size(name)));
    const longest = sizes.reduce<number>((most, size) => Math.max(most, size ?? -1), -1);
    const found = longest < 0 ? undefined : parts[sizes.indexOf(longest)];
    if (!found) throw fail('BACKUP_FILE_NOT_EXIST', { file: name });
    return found;
  };
  return {
    uri: first.uri,
    can: { append: false },
    spec: { kind: 'joined', parts: parts.map(({ spec }) => spec) },
    get: async (name, range) => (await holder(name)).get(name, range),
    openRead: async (name) => (await holder(name)).openRead(name),
    async size(name) {
      try {
        return await (await holder(name)).size(name);
      } catch (error) {
        if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return undefined;
        throw error;
      }
    },
    async list(prefix) {
      const objects = new Map<string, ObjectInfo>();
      for (const listed of await Promise.all(parts.map((part) => part.list(prefix))))
        for (const object of listed)
          if (object.sizeBytes > (objects.get(object.name)?.sizeBytes ?? -1)) objects.set(object.name, object);
      return [...objects.values()];
    },
    put: isReadOnly,
    sync: isReadOnly,
    remove: isReadOnly,
    removeAll: isReadOnly,
    create: isReadOnly,
    openAppend: isReadOnly,
    async [Symbol.asyncDispose]() {
      for (const part of parts) await part[Symbol.asyncDispose]();
    },
  };
}
