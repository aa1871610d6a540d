/**
 * Nothing here runs: the assertion is that `tsc` compiles it. Each `@ts-expect-error` fails to compile when the mistake
 * below it becomes possible.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { CommandLine, type Verb } from '../../src/protocol/command.ts';
import type { Failure } from '../../src/protocol/failure.ts';
import { ownReply } from '../../src/protocol/reply.ts';
import { Secret } from '../../src/protocol/secret.ts';
import type { Patience } from '../../src/tls/handshake-end.ts';
import type { PeerIdentity, Proof } from '../../src/tls/peer-identity.ts';
import type { PresentedChain } from '../../src/tls/presented-chain.ts';
import type { Trust } from '../../src/tls/trust.ts';
import { VerifiedTls, type TlsEvidence } from '../../src/tls/verified-tls.ts';
import type { Channel } from '../../src/upstream/channel.ts';
import type { PlainHop } from '../../src/upstream/plain-hop.ts';
import { SecuredHop, type Opening } from '../../src/upstream/secured-hop.ts';
import type { Authentication } from '../../src/upstream/target.ts';
import { Transaction } from '../../src/upstream/transaction.ts';

declare const plain: Channel<'EHLO' | 'STARTTLS' | 'QUIT'>;
declare const secured: Channel<
  'EHLO' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'BDAT' | 'RSET' | 'NOOP' | 'QUIT'
>;
declare const plainHop: PlainHop;
declare const member: keyof PlainHop;
declare const tls: TLSSocket;
declare const tcp: Socket;
declare const evidence: TlsEvidence;
declare const certificate: X509Certificate;
declare const identity: PeerIdentity;
declare const trust: Trust;
declare const patience: Patience;
declare const looked: PresentedChain;
declare const opening: Opening;
declare const octets: readonly Buffer[];

export async function plainChannelCarriesNoMail(): Promise<void> {
  await plain.send(CommandLine.ehlo('x'), 'ehlo', 1);
  await plain.send(CommandLine.starttls(), 'starttls', 1);
  // @ts-expect-error -- MAIL in clear
  await plain.send(CommandLine.mail('<a@b>'), 'mail', 1);
  // @ts-expect-error -- RCPT in clear
  await plain.send(CommandLine.rcpt('<a@b>'), 'rcpt', 1);
  // @ts-expect-error -- AUTH in clear
  await plain.send(CommandLine.auth('PLAIN', 'AHUAcA=='), 'auth', 1);
  // @ts-expect-error -- the answer to a challenge is AUTH too
  await plain.send(CommandLine.authResponse('AHUAcA=='), 'auth', 1);
  // @ts-expect-error -- DATA in clear
  await plain.send(CommandLine.data(), 'data', 1);
  // @ts-expect-error -- BDAT in clear
  await plain.send(CommandLine.bdat(1, true), 'final', 1);
  // @ts-expect-error -- content in clear
  await plain.content(octets);
  await secured.content(octets);
}

export async function aCommandIsNoString(): Promise<void> {
  // @ts-expect-error -- a bare string may hold two commands
  await plain.send('EHLO x\r\n', 'ehlo', 1);
  // @ts-expect-error -- an object of the same shape is no command line
  await plain.send({ verb: 'EHLO', toWire: () => 'MAIL FROM:<a@b>\r\n' }, 'ehlo', 1);
  // @ts-expect-error -- the constructor is private
  void new CommandLine('EHLO', 'MAIL FROM:<a@b>');
}

export function channelsDoNotWiden(): void {
  const narrower: Channel<'EHLO'> = secured;
  void narrower;
  // @ts-expect-error -- a plain channel cannot stand where MAIL may be sent
  const wider: Channel<'EHLO' | 'MAIL'> = plain;
  void wider;
  // @ts-expect-error -- nor for any verb at all
  const any: Channel<Verb> = plain;
  void any;
  // @ts-expect-error -- a transaction needs a channel that carries mail
  void new Transaction(plain, undefined, undefined, CommandLine.mail('<a@b>'));
}

export async function proofsAreNotMadeElsewhere(): Promise<void> {
  // @ts-expect-error -- the constructor is private
  void new VerifiedTls(tls, { certificate, evidence });
  // @ts-expect-error -- an object literal has not the private fields
  const forged: VerifiedTls = { evidence, stream: tls };
  await SecuredHop.open(forged, 'greets', opening);
  // @ts-expect-error -- a TLS socket is no proof
  await SecuredHop.open(tls, 'greets', opening);
  // @ts-expect-error -- nor is a TCP socket
  await SecuredHop.open(tcp, 'greets', opening);
  // @ts-expect-error -- the constructor is private
  void new SecuredHop(secured);
  // @ts-expect-error -- a handshake takes no options that could weaken it
  await VerifiedTls.handshake(tcp, identity, trust, patience, { rejectUnauthorized: false });
  // @ts-expect-error -- what a handshake only looked at is no proof
  await SecuredHop.open(looked, 'greets', opening);
}

export function everyPeerProvesSomething(): void {
  // @ts-expect-error -- a proof by nothing
  const none: Proof = { by: 'none' };
  // @ts-expect-error -- a proof by no pin at all
  const noPin: Proof = { by: 'pin', pins: [] };
  // @ts-expect-error -- an upstream that is not authenticated
  const off: Authentication = { by: 'off' };
  // @ts-expect-error -- DANE without records asks for a chain, or there is no hop
  const opportunistic: Authentication = { by: 'dane', otherwise: 'nothing' };
  // @ts-expect-error -- nobody to be
  const nobody: PeerIdentity = { references: [], proof: { by: 'pkix' } };
  void [none, noPin, off, opportunistic, nobody];
}

export function aPlainHopHasNoOtherWayOut(): void {
  const only: 'startTls' | 'presentedChain' | 'greeting' | 'offersStarttls' = member;
  void only;
  // @ts-expect-error -- what was looked at has no stream to write to
  void looked.stream;
  // @ts-expect-error -- a plain hop begins no transaction
  plainHop.mail(CommandLine.mail('<a@b>'));
}

export function codesAgree(): void {
  ownReply([451, '4.7.5'], 'text');
  // @ts-expect-error -- a temporary code with a permanent enhanced code
  ownReply([451, '5.7.5'], 'text');
  // @ts-expect-error -- and the other way round
  ownReply([550, '4.7.1'], 'text');
  // @ts-expect-error -- a success that says failure
  ownReply([250, '5.0.0'], 'text');
}

export function failuresAreClosed(): void {
  // @ts-expect-error -- no failure is called plaintext-fallback
  const failure: Failure = { kind: 'plaintext-fallback' };
  void failure;
  // @ts-expect-error -- a TLS failure says which
  const tlsFailure: Failure = { kind: 'tls', phase: 'handshake', reason: 'x' };
  void tlsFailure;
}

export function aSecretIsNoText(): void {
  // @ts-expect-error -- a secret is revealed on purpose or not at all
  const text: string = new Secret('x');
  void text;
}
