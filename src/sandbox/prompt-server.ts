/**
 * smtp-server without its greeting delay, and with message content as the wire carried it.
 *
 * Guarantees: the greeting is sent at once (smtp-server 3.21.6 waits 100 ms to catch early talkers, which nobody needs
 * of an upstream on loopback); only the dots that RFC 5321 §4.5.2 stuffs are taken away (smtp-server takes one after a
 * bare LF too), line endings stay as they came.
 */
import type { Socket } from 'node:net';

import { SMTPServer } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { SMTPServerDataStream } from 'smtp-server';

import { DataReader } from '../protocol/data-reader.ts';

export class PromptServer extends SMTPServer {
  override connect(socket: Socket, socketOptions?: SMTPConnectionOptions | null): void {
    const connection = new PromptConnection(this, socket, socketOptions);
    this.connections.add(connection);
    connection.on('error', (error) => this._onError(error));
    connection.on('connect', (info) => this._onClientConnect(info));
    connection.init();
  }
}

class PromptConnection extends SMTPConnection {
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  override _createParser(): SMTPStream {
    const parser = new ContentStream();
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.on('error', (error) => this.send(421, `Error: ${error.message}`));
    return parser;
  }
}

class ContentStream extends SMTPStream {
  #reader = new DataReader();

  override startDataMode(maxOctets?: number | string | null): SMTPServerDataStream {
    this.#reader = new DataReader();
    return super.startDataMode(maxOctets);
  }

  override _feedDataStream(octets: Buffer, done: (error?: Error | null) => void): void {
    const pieces: Buffer[] = [];
    const rest = this.#reader.read(octets, (piece) => pieces.push(piece));
    const content = Buffer.concat(pieces);
    this._countDataBytes(content.length);
    if (rest !== undefined) this._endDataMode(content, rest, done);
    else this.#passOn(content, done);
  }

  /** A full stream holds the parser, and so the sender's window, until it is read or destroyed. */
  #passOn(content: Buffer, done: () => void): void {
    const stream = this._dataStream;
    if (stream === null || !stream.writable || stream.write(content)) return done();
    const goOn = (): void => {
      stream.removeListener('drain', goOn).removeListener('close', goOn);
      done();
    };
    stream.once('drain', goOn).once('close', goOn);
  }
}
