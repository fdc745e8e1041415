/** What of a browser sign-ins need: cookies, forms and where it is sent. */
import { personOf } from '../../lab/world.ts';
import type { TestWorld } from './broker.ts';

/** A browser: keeps cookies by host, follows no redirect by itself. */
export const newBrowser = (world: TestWorld) => {
  const jars = new Map<string, Map<string, string>>();
  const open = async (address: string, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(address, world.issuer);
    const jar = jars.get(url.host) ?? new Map<string, string>();
    jars.set(url.host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { cookie, ...init.headers } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  };
  const locationOf = (answer: Response): string => answer.headers.get('location') ?? '';
  /** From our page to Entra, through its form, to the address it sends the browser back to. */
  const reply = async (start: string, name = 'approver'): Promise<string> => {
    const { username, password } = personOf(world.entra.world, name);
    const entra = locationOf(await open(start));
    const form = new URLSearchParams({ username, password });
    return locationOf(await open(entra, { method: 'POST', body: form }));
  };
  const signIn = async (start: string, name?: string): Promise<Response> => open(await reply(start, name));
  const cookie = (name: string): string | undefined => jars.get(new URL(world.issuer).host)?.get(name);
  return { open, reply, signIn, cookie, jars };
};
