import { element } from './dom';

/** Where it leads is what is seen: no user name, no character beyond ASCII, nothing that a browser reads otherwise. As in links.py. */
const ADDRESS = /https?:\/\/[a-z0-9][a-z0-9.-]*(?::[0-9]+)?(?:[/?#][\w/?#.,:;=&%+~@!-]*)?(?<![.,:;!?-])/gi;

/** A text in which addresses of web pages are links; everything else is only text. */
export function linked(text: string): (string | HTMLElement)[] {
  const parts: (string | HTMLElement)[] = [];
  let end = 0;
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    const link = element('a', 'reson-link', address, { href: address, target: '_blank', rel: 'noopener noreferrer' });
    parts.push(text.slice(end, index), link);
    end = index + address.length;
  }
  return [...parts, text.slice(end)];
}
