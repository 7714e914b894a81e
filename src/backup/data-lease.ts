// The right of one job to write a backup destination.
import type { Destination } from '../destination/destination.ts';
import { type Lease, NO_LEASES } from '../lease/lease-service.ts';
import type { BackupDependencies } from './backup-dependencies.ts';

export class DataLease {
  readonly #hold: () => Promise<Lease>;
  #lease: Lease | undefined;

  constructor(
    { leases = NO_LEASES }: Pick<BackupDependencies, 'leases'>,
    destination: Destination,
    { tenantId, uri }: { tenantId: number; uri: string },
  ) {
    this.#hold = () => leases.hold(destination, { tenantId, uri, destKind: 'backup_data' });
  }

  /**
   * Takes the lease when it is not had yet, and proves that nobody else writes there by now.
   * @throws DESTINATION_HELD (4038); the destination's errors
   */
  async prove(): Promise<void> {
    this.#lease ??= await this.#hold();
    await this.#lease.prove();
  }
}
