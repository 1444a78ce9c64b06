import { XMLParser } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes text; control characters go out as numeric references, as S3 itself does. */
function escapeText(text: string): string {
  // biome's control-character rule is about mistakes in patterns; a class of code units avoids them.
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) out += `&#x${code.toString(16)};`;
    else out += escapes[char] ?? char;
  }
  return out;
}

export type XmlValue = string | number | boolean | XmlNode[] | undefined;
/** [name, value]; an undefined value leaves the element out. */
export type XmlNode = readonly [string, XmlValue];

function render(nodes: readonly XmlNode[]): string {
  let out = '';
  for (const [name, value] of nodes) {
    if (value === undefined) continue;
    const inner = Array.isArray(value) ? render(value) : escapeText(String(value));
    out += `<${name}>${inner}</${name}>`;
  }
  return out;
}

/** A whole S3 response document. */
export function xmlDocument(root: string, nodes: readonly XmlNode[], namespace = true): string {
  const xmlns = namespace ? ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' : '';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${xmlns}>${render(nodes)}</${root}>`;
}

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  htmlEntities: true,
  isArray: (name) => name === 'Object' || name === 'Part',
});

/** One parsed element with child elements; text of leaves is read with `text`. */
export type XmlElement = Readonly<Record<string, unknown>>;

export function isElement(value: unknown): value is XmlElement {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses a request body and returns the element named `root`; anything else is MalformedXML. */
export function parseXml(body: string, root: string): XmlElement {
  let parsed: unknown;
  try {
    parsed = parser.parse(body, true);
  } catch (error) {
    throw new S3Error('MalformedXML', error instanceof Error ? error.message : undefined);
  }
  const element = isElement(parsed) ? parsed[root] : undefined;
  if (!isElement(element)) throw new S3Error('MalformedXML', `expected one <${root}> element`);
  return element;
}

/** Text of a leaf child, or undefined when the child is absent. */
export function text(element: XmlElement, name: string): string | undefined {
  const value = element[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new S3Error('MalformedXML', `<${name}> must hold text once`);
  return value;
}

/** Repeated children (`Object`, `Part`), each of which must be an element. */
export function children(element: XmlElement, name: string): XmlElement[] {
  const value = element[name];
  if (!Array.isArray(value) || !value.every(isElement)) {
    throw new S3Error('MalformedXML', `expected one or more <${name}> elements`);
  }
  return value;
}
