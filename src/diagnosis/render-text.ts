/**
 * A diagnosis for people: one block a port, the verdict last.
 */
import type {
  CertificateFinding,
  Diagnosis,
  HandshakeFinding,
  LoginFinding,
  NameFinding,
  PortFinding,
  ResolverFinding,
  SecuredFinding,
  SrvText,
  TlsaText,
  UpstreamFinding,
  Verdict,
} from './findings.ts';
import { unprovenText } from './resolver-proof.ts';

/** What a piece of text is; how that looks is the caller's business. */
export type Tone = 'title' | 'label' | 'good' | 'bad' | 'warning';
export type Paint = (tone: Tone, text: string) => string;

type Row = readonly [label: string, text: string];

const LABEL_WIDTH = 12;
/** The octets of a whole certificate are of no use on a terminal. */
const TLSA_CHARACTERS = 80;
const SOON_DAYS = 14;

export function renderText(diagnosis: Diagnosis, paint: Paint): string {
  const { resolver, warnings, upstreams, delivers } = diagnosis;
  const head = resolver === undefined ? [] : [...rows([['resolver', resolverText(resolver)]], paint, ''), ''];
  const blocks = upstreams.flatMap((upstream) => upstreamLines(upstream, paint));
  const end = [
    ...warnings.map((text) => paint('warning', `Warning: ${text}`)),
    delivers ? paint('good', 'Mail would be delivered.') : paint('bad', 'Mail would not be delivered.'),
  ];
  return [...head, ...blocks, ...end, ''].join('\n');
}

function upstreamLines(upstream: UpstreamFinding, paint: Paint): readonly string[] {
  const { name, srv = [], ports, verdict, credentials } = upstream;
  const facts: Row[] = srv.flatMap((one) => srvRows(one));
  if (credentials === 'withheld') facts.push(['login', WITHHELD]);
  return [
    paint('title', name === undefined ? upstream.upstream : `${name}: ${upstream.upstream}`),
    ...rows(facts, paint, '  '),
    ...(verdict === undefined ? [] : [verdictLine(verdict, paint)]),
    '',
    ...ports.flatMap((port) => [...portLines(port, paint), '']),
  ];
}

const WITHHELD =
  'the configured credentials are for other upstreams (host, port, pin= and server-name= count): not offered';

function portLines(port: PortFinding, paint: Paint): readonly string[] {
  const begin = port.tls === 'implicit' ? 'TLS from the first octet' : 'STARTTLS, required';
  const facts: Row[] = [
    ...nameRows(port),
    ...tcpRows(port),
    ...clearRows(port),
    ...handshakeRows(port.handshake ?? port.secured),
    ...certificateRows(port.handshake),
    ...securedRows(port.secured),
    ...loginRows(port.login),
  ];
  return [
    `  ${paint('title', `${port.host}, port ${port.port}`)}: ${begin}`,
    ...rows(facts, paint, '    '),
    verdictLine(port.verdict, paint),
  ];
}

function verdictLine({ outcome, resultType, failure, reason, ...told }: Verdict, paint: Paint): string {
  const why = reason === undefined || reason === '' ? '' : ` (${reason})`;
  const judged = paint(outcome === 'secured' ? 'good' : 'bad', resultType ?? failure ?? outcome);
  const { sentence, hint } = told;
  return rows(
    [
      ['verdict', `${judged}${why}: ${sentence}`],
      ...(hint === undefined ? [] : [['provider', hint] as const]),
    ],
    paint,
    '    ',
  ).join('\n');
}

/** A label that is the same as the one above is not repeated. */
function rows(facts: readonly Row[], paint: Paint, indent: string): readonly string[] {
  return facts.map(([label, text], index) => {
    const isRepeated = index > 0 && facts[index - 1]?.[0] === label;
    return `${indent}${paint('label', (isRepeated ? '' : label).padEnd(LABEL_WIDTH))} ${text}`;
  });
}

function srvRows({ name, records, ...answer }: NameFinding<SrvText>): readonly Row[] {
  const texts = records.map(
    ({ target, port, priority, weight }) => `${target}:${port} (priority ${priority}, weight ${weight})`,
  );
  return answerRows('SRV', { ...answer, name, records: texts }, `${name} `);
}

function nameRows({ addresses, tlsa = [] }: PortFinding): readonly Row[] {
  return [
    ...answerRows('addresses', { ...addresses, records: inOneLine(addresses.records) }),
    ...tlsa.flatMap((one) => answerRows('TLSA', { ...one, records: one.records.map(tlsaText) })),
  ];
}

function inOneLine(records: readonly string[]): readonly string[] {
  return records.length === 0 ? [] : [records.join(', ')];
}

function tlsaText({ text, isUsable }: TlsaText): string {
  const short = text.length > TLSA_CHARACTERS ? `${text.slice(0, TLSA_CHARACTERS)}…` : text;
  return `${short}, ${isUsable ? 'usable' : 'not usable'}`;
}

function answerRows(
  label: string,
  { dnssec, fault, records }: NameFinding<string>,
  prefix = '',
): readonly Row[] {
  const state = dnssec === undefined ? '' : ` (DNSSEC: ${dnssec})`;
  if (fault !== undefined) return [[label, `${prefix}no answer: ${fault}${state}`]];
  if (records.length === 0) return [[label, `${prefix}none${state}`]];
  return records.map((record) => [label, `${prefix}${record}${state}`]);
}

function tcpRows({ tcp }: PortFinding): readonly Row[] {
  if (tcp === undefined) return [];
  return [['TCP', 'reason' in tcp ? `no connection: ${tcp.reason}` : `${tcp.address} in ${tcp.ms} ms`]];
}

function clearRows({ greeting, offersStarttls, speaks }: PortFinding): readonly Row[] {
  const found: Row[] = [];
  if (greeting !== undefined) found.push(['greeting', greeting]);
  if (offersStarttls !== undefined) found.push(['STARTTLS', offersStarttls ? 'offered' : 'not offered']);
  if (speaks === 'nothing') found.push(['greeting', 'none: the port is silent']);
  if (speaks === 'hangs-up') found.push(['greeting', 'none: the port hangs up at once']);
  if (speaks === 'other') found.push(['greeting', 'neither SMTP nor TLS']);
  return found;
}

function handshakeRows(made: HandshakeFinding | SecuredFinding | undefined): readonly Row[] {
  return made === undefined ? [] : [['TLS', `${made.protocol}, ${made.cipher}, ${made.group}`]];
}

function certificateRows(handshake: HandshakeFinding | undefined): readonly Row[] {
  if (handshake === undefined) return [];
  const { pin, certificates } = handshake;
  return certificates.flatMap((certificate, index): readonly Row[] => {
    const label = index === 0 ? 'certificate' : 'issued by';
    const facts = [
      certificate.subject === '' ? '(no subject)' : certificate.subject,
      `from ${certificate.issuer}`,
      validity(certificate),
    ];
    if (index > 0) return [[label, facts.join('; ')]];
    const names = (certificate.names ?? []).join(', ');
    const own: readonly Row[] = facts.map((text) => [label, text]);
    return [
      ...own,
      [label, names === '' ? 'no names' : `for ${names}`],
      ['SPKI pin', pin ?? 'none: a key that is not known'],
    ];
  });
}

function validity({ notBefore, notAfter, daysLeft }: CertificateFinding): string {
  if (notBefore === undefined || notAfter === undefined || daysLeft === undefined)
    return 'valid at no time that can be read';
  const left = daysLeft < 0 ? 'expired' : `${daysLeft} days left${daysLeft < SOON_DAYS ? ', soon' : ''}`;
  return `valid ${notBefore.slice(0, 10)} to ${notAfter.slice(0, 10)} (${left})`;
}

function securedRows(secured: SecuredFinding | undefined): readonly Row[] {
  if (secured === undefined) return [];
  const { authenticatedBy, name, greeting, offers } = secured;
  const extensions = [
    ['REQUIRETLS', offers.requireTls],
    ['CHUNKING', offers.chunking],
    ['PIPELINING', offers.pipelining],
    ['8BITMIME', offers.eightBitMime],
    ['SMTPUTF8', offers.smtpUtf8],
  ] as const;
  const has = (wanted: boolean): string =>
    extensions.flatMap(([keyword, isOffered]) => (isOffered === wanted ? [keyword] : [])).join(', ');
  const size = offers.size === undefined ? [] : [`SIZE ${offers.size}`];
  return [
    ['proof', `${authenticatedBy}, as ${name}`],
    ...(greeting === undefined ? [] : [['greeting', greeting] as const]),
    ['AUTH', offers.auth.length === 0 ? 'no mechanism' : offers.auth.join(' ')],
    ['offers', [...size, has(true)].filter((text) => text !== '').join(', ') || 'nothing'],
    ...(has(false) === '' ? [] : [['lacks', has(false)] as const]),
  ];
}

function loginRows({ outcome, detail = '', mechanism = '' }: LoginFinding): readonly Row[] {
  switch (outcome) {
    case 'accepted':
      return [['login', `accepted by ${mechanism}`]];
    case 'not-needed':
      return [['login', 'none was needed: the certificate speaks for us']];
    case 'refused':
    case 'failed':
      return [['login', `${outcome}: ${detail}`]];
    case 'not-tried':
      return [['login', `not tried: ${detail}`]];
    case 'none':
      return [['login', 'no credentials are set']];
    case 'withheld': // said once, for the upstream
    case 'not-reached':
      return [];
  }
}

function resolverText({ state, fault }: ResolverFinding): string {
  switch (state) {
    case 'proven':
      return 'validates DNSSEC: it refuses a bogus name';
    case 'not-validating':
      return 'does not validate DNSSEC: it answers for a bogus name';
    case 'unproven':
      return `has not shown that it validates DNSSEC: ${unprovenText(fault)}`;
  }
}
