// Several destinations read as one: each is a directory of it, named by its number. Copies of one archive have objects of
// the same name with other bytes in them, so a name alone does not tell what is meant.
import { AssertionFailure, assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import type { Destination } from './destination.ts';

const isReadOnly = (): never => {
  throw new AssertionFailure('joined destinations are only read');
};

/** Name in the joined destination of an object of one part; of a single part it is the same. */
export function joinedName(place: number, name: string, partCount: number): string {
  return partCount === 1 ? name : `${place}/${name}`;
}

/** The part that an object lies in, and its name there; undefined for a name of no part. */
export function splitJoinedName(joined: string): { place: number; name: string } | undefined {
  const [, place, name] = /^(\d+)\/(.+)$/.exec(joined) ?? [];
  return place === undefined || name === undefined ? undefined : { place: Number(place), name };
}

/** A single part stays as it is. Closing it closes the parts. */
export function joinDestinations(parts: readonly Destination[]): Destination {
  const [first] = parts;
  assert(first, 'something is joined');
  if (parts.length === 1) return first;
  const find = (joined: string): { part: Destination; name: string } => {
    const split = splitJoinedName(joined);
    const part = split && parts[split.place];
    if (!split || !part) throw fail('BACKUP_FILE_NOT_EXIST', { file: joined });
    return { part, name: split.name };
  };
  return {
    uri: first.uri,
    can: { append: false },
    spec: { kind: 'joined', parts: parts.map(({ spec }) => spec) },
    get: async (joined, range) => {
      const { part, name } = find(joined);
      return await part.get(name, range);
    },
    openRead: async (joined) => {
      const { part, name } = find(joined);
      return await part.openRead(name);
    },
    size: async (joined) => {
      const { part, name } = find(joined);
      return await part.size(name);
    },
    list: async (joined) => {
      const { part, name } = find(joined);
      const place = parts.indexOf(part);
      const named = (object: string) => joinedName(place, object, parts.length);
      return (await part.list(name)).map((object) => ({ ...object, name: named(object.name) }));
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
