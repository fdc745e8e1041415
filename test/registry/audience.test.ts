import { describe, expect, it } from 'vitest';
import { checkAudience } from '../../src/registry/audience.ts';

describe('an audience', () => {
  it.each([
    'api://knowledge.prod',
    'api://knowledge.prod/v1',
    'https://api.example.com',
    'https://api.example.com:8443/Reports/v2',
    'http://127.0.0.1:8421',
    'urn:example:payroll',
  ])('may be %s', (audience) => {
    expect(checkAudience(audience)).toBeNull();
  });

  it.each([
    ['no scheme', 'knowledge.prod'],
    ['a relative reference', '/knowledge'],
    ['a scheme in upper case', 'API://knowledge.prod'],
    ['a host in upper case', 'api://Knowledge.prod'],
    ['a URN in upper case', 'urn:Example:payroll'],
    ['a fragment', 'api://knowledge.prod#x'],
    ['an empty fragment', 'api://knowledge.prod#'],
    ['a query', 'api://knowledge.prod?x=1'],
    ['a user', 'https://user@api.example.com'],
    ['percent-encoding', 'api://knowledge.prod/%61'],
    ['an encoded dot segment', 'api://knowledge.prod/a/%2e%2e/b'],
    ['a dot segment', 'api://knowledge.prod/a/../b'],
    ['a dot segment at the end', 'api://knowledge.prod/..'],
    ['a dot segment in a URN', 'urn:example:..:b'],
    ['a single dot', 'api://knowledge.prod/./b'],
    ['an empty segment', 'api://knowledge.prod//b'],
    ['no host', 'api:///b'],
    ['a slash at the end', 'https://api.example.com/'],
    ['the default port', 'https://api.example.com:443'],
    ['an address spelled otherwise', 'http://0x7f.0.0.1/a'],
    ['white space', 'api://knowledge .prod'],
    ['a line break at the end', 'api://knowledge.prod\n'],
    ['a letter that only looks Latin', 'api://knоwledge.prod'],
    ['a backslash', 'https:\\\\api.example.com'],
  ])('may not have %s', (_, audience) => {
    expect(checkAudience(audience)).not.toBeNull();
  });
});
