/**
 * What a supervisor has told this process by its environment (sd_notify(3), sd_watchdog_enabled(3)).
 */
export interface Supervisor {
  /** For the program that speaks to it. */
  readonly environment: Readonly<Record<string, string>>;
  /** How soon it must hear that we are alive, again and again; undefined where it does not ask for that. */
  readonly watchdogMs: number | undefined;
}

/** @returns undefined when nobody listens */
export function supervisorIn(environment = process.env): Supervisor | undefined {
  const { NOTIFY_SOCKET: socket = '', PATH: path = '' } = environment;
  if (socket === '') return undefined;
  return { environment: { NOTIFY_SOCKET: socket, PATH: path }, watchdogMs: watchdogMsIn(environment) };
}

function watchdogMsIn({
  WATCHDOG_USEC: interval = '',
  WATCHDOG_PID: pid,
}: NodeJS.ProcessEnv): number | undefined {
  const isMeant = pid === undefined || pid === String(process.pid);
  return isMeant && /^[1-9]\d*$/.test(interval) ? Number(interval) / 1_000 : undefined;
}
