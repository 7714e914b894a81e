// The host processes of one tenant: forked at the first statement, spread over its sessions, ended when idle.

import { forkChild } from '../../base/child-process.ts';
import { MIB } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import type { EngineTenant } from '../engine-driver.ts';
import { guardHost } from '../host-guard.ts';
import { HostLink } from '../host-link.ts';

/** More processes than this do not make one SQLite file faster: it has one writer. */
const HOSTS_PER_TENANT_MAX = 4;

/** A host without sessions lives on this long: the next log-in of an application that reconnects is then quick. */
const HOST_IDLE_MS = 60_000;

/** JavaScript memory of a host; rows and values beyond it belong to SQLite and are watched as a whole. */
const HOST_HEAP_BYTES_MAX = 512 * MIB;

/** A host that holds more than this is running a statement that would starve its neighbours. */
const HOST_RSS_BYTES_MAX = 2048 * MIB;

interface PooledHost {
  link: HostLink;
  sessions: number;
  idleTimer: NodeJS.Timeout | undefined;
}

export class SqlHostPool {
  readonly #tenant: EngineTenant;
  readonly #log: Log;
  readonly #hosts = new Set<PooledHost>();

  constructor(tenant: EngineTenant, log: Log) {
    this.#tenant = tenant;
    this.#log = log;
  }

  get tenantId(): number {
    return this.#tenant.tenantId;
  }

  /** Process ids of the live hosts, for tests and the process list. */
  get pids(): number[] {
    return [...this.#hosts].map((host) => host.link.pid);
  }

  /** No process of it has the tenant's file open. */
  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  /** The host for one more session: an empty one, a new one while there may be more, else the least loaded. */
  take(): HostLink {
    const hostsMax = Math.min(Math.max(1, Math.ceil(this.#tenant.maxCpu)), HOSTS_PER_TENANT_MAX);
    const live = [...this.#hosts].filter((host) => host.link.isAlive);
    const least = live.reduce<PooledHost | undefined>(
      (best, host) => (best === undefined || host.sessions < best.sessions ? host : best),
      undefined,
    );
    const host = least && (least.sessions === 0 || live.length >= hostsMax) ? least : this.#fork();
    clearTimeout(host.idleTimer);
    host.sessions += 1;
    return host.link;
  }

  /** Gives back what `take` gave. */
  release(link: HostLink): void {
    const host = [...this.#hosts].find((one) => one.link === link);
    if (!host) return;
    host.sessions -= 1;
    if (host.sessions > 0) return;
    host.idleTimer = setTimeout(() => link.kill('it was idle'), HOST_IDLE_MS);
    host.idleTimer.unref();
  }

  /** Ends every host at once and waits until none is left. */
  async kill(because: string): Promise<void> {
    const hosts = [...this.#hosts];
    for (const { link } of hosts) link.kill(because);
    await Promise.all(hosts.map(({ link }) => link.exited));
  }

  #fork(): PooledHost {
    const child = forkChild(
      './sql-host',
      import.meta.url,
      {},
      {
        execArgv: [`--max-old-space-size=${HOST_HEAP_BYTES_MAX / MIB}`],
      },
    );
    guardHost(child, { rssBytesMax: HOST_RSS_BYTES_MAX });
    const host: PooledHost = { link: new HostLink(child), sessions: 0, idleTimer: undefined };
    this.#hosts.add(host);
    const { tenantId } = this.#tenant;
    this.#log.debug('sql host started', { tenantId, pid: child.pid });
    void host.link.exited.then(() => {
      clearTimeout(host.idleTimer);
      this.#hosts.delete(host);
      this.#log.debug('sql host ended', { tenantId, pid: child.pid, because: host.link.goneBecause });
    });
    return host;
  }
}
