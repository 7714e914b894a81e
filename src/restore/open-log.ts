// The archives of a restore, opened: several are one log.
import type { Destination } from '../destination/destination.ts';
import { joinDestinations, splitJoinedName } from '../destination/joined-destination.ts';
import { type LogCopies, type LogPlace, listCopies } from '../destination/list-copies.ts';
import { formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { OpenUri } from './read-sources.ts';

export class OpenedLog implements AsyncDisposable {
  readonly places: LogPlace[];
  /** The places as one destination, by which names of objects are to be read. */
  readonly joined: Destination;

  /** @param uris to open them by */
  constructor(uris: readonly string[], open: OpenUri) {
    this.places = uris.map((text) => {
      const uri = parseDestinationUri(text);
      return { destination: open(uri), shown: formatDestinationUri(uri), only: null };
    });
    this.joined = joinDestinations(this.places.map(({ destination }) => destination));
  }

  /** What lies there now. @throws 9070, 9071 when no place answers */
  list(): Promise<LogCopies> {
    return listCopies(this.places);
  }

  /** An object of the joined destination as messages name it. */
  shownName(object: string): string {
    const split = this.places.length > 1 ? splitJoinedName(object) : undefined;
    const place = split && this.places[split.place];
    return split && place ? `${place.shown}/${split.name}` : object;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.joined[Symbol.asyncDispose]();
  }
}
