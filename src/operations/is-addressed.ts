/**
 * A web page whose name its owner lets lead to 127.0.0.1 (DNS rebinding) would read this machine's loopback with the
 * browser of whoever works here. So there a request must name an address, `localhost`, or the name in the setting.
 * Elsewhere names are the operator's: scrapers find services by them.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** `name`, `name:port`, `[address]` or `[address]:port`. */
const HOST = /^(?:\[(?<ipv6>[^\]]*)\]|(?<name>[^:]*))(?::\d*)?$/;

/** Whether a request that came by the loopback, if it did, is for this listener by its Host; `own`: its configured host. */
export const isAddressed = ({ socket, headers }: IncomingMessage, own: string): boolean => {
  const { localAddress = '' } = socket;
  if (!LOOPBACK.check(localAddress, isIPv6(localAddress) ? 'ipv6' : 'ipv4')) return true;
  const { ipv6, name } = HOST.exec(headers.host?.toLowerCase() ?? '')?.groups ?? {};
  const host = ipv6 ?? name ?? '';
  return isIP(host) !== 0 || host === 'localhost' || (host !== '' && host === own.toLowerCase());
};
