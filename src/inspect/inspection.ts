// What one run of `inspect` shares: where it looks, what was asked for, where it prints, and the damage it has met.
import { isFailure } from '../base/errors.ts';
import type { Destination } from '../destination/destination.ts';
import type { ArchiveOwner } from '../format/archive-info.ts';
import type { FormatFile } from '../format/format-file.ts';
import { formatTime } from '../model/time-zone.ts';
import type { InspectOutput, Item } from './item.ts';

/** Damage that is listed; the rest is counted. A destination with more is damaged as a whole. */
const DAMAGE_LISTED_MAX = 1000;

export interface InspectChoices {
  /** Print every commit of every batch. */
  isWithTables: boolean;
  /** Tell where this page lies; null for none. */
  page: number | null;
  /** Tried on encrypted sets; without any, only their manifests are read. */
  passwords: readonly string[];
}

export class Inspection {
  readonly destination: Destination;
  readonly choices: InspectChoices;
  /** undefined where no format file is: parts of a destination may have been copied elsewhere. */
  readonly format: FormatFile | undefined;
  readonly #output: InspectOutput;
  damageCount = 0;

  constructor(of: {
    destination: Destination;
    choices: InspectChoices;
    format: FormatFile | undefined;
    output: InspectOutput;
  }) {
    this.destination = of.destination;
    this.choices = of.choices;
    this.format = of.format;
    this.#output = of.output;
  }

  async print(item: Item): Promise<void> {
    await this.#output.item(item);
  }

  async damage(object: string, because: string): Promise<void> {
    this.damageCount++;
    if (this.damageCount <= DAMAGE_LISTED_MAX) await this.#output.damage({ object, because });
  }

  /** What lies here must be the format file's tenant's. */
  async checkOwner(object: string, { cluster, tenant }: ArchiveOwner): Promise<void> {
    const { format } = this;
    if (!format || (format.clusterUuid === cluster.uuid && format.tenantId === tenant.id)) return;
    await this.damage(object, 'it belongs to another cluster or tenant than the format file says');
  }

  /**
   * Runs one look; what it finds damaged or missing is told, and others go on.
   * @returns undefined after damage
   */
  async look<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isFailure(error, 'BACKUP_DATA_CORRUPT')) {
        const { object, because } = error.facts as { object: string; because: string };
        await this.damage(object, because);
      } else if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) {
        await this.damage((error.facts as { file: string }).file, 'it is missing');
      } else throw error;
      return undefined;
    }
  }
}

/** An scn with its time in the tenant's zone. */
export function scnText(scn: bigint, timeZone: string): string {
  return scn === 0n ? '0' : `${scn} (${formatTime(scn, timeZone)} ${timeZone})`;
}

export function ownerText({
  cluster,
  tenant,
}: {
  cluster: { name: string; id: number; uuid: string };
  tenant: { name: string; id: number; mode: string };
}): { cluster: string; tenant: string } {
  return {
    cluster: `${cluster.name} (id ${cluster.id}, ${cluster.uuid})`,
    tenant: `${tenant.name} (id ${tenant.id}, mode ${tenant.mode})`,
  };
}
