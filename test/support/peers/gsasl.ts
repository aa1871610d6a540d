/**
 * The server's side of SASL by GNU SASL: a child process, one exchange in its life.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

// Property numbers of gsasl.h: authentication identity 1, password 3, iterations 15, salt 16, tls-exporter 25.
const SERVER = `
import base64, ctypes, sys
gsasl = ctypes.CDLL('libgsasl.so.18')
gsasl.gsasl_strerror_name.restype = ctypes.c_char_p
mechanism, password, binding = (argument.encode() for argument in sys.argv[1:4])
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
set_property = gsasl.gsasl_property_set
set_property.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
values = {3: password, 15: b'4096', 16: base64.b64encode(b'salt of GNU SASL')}
if binding: values[25] = binding
def give(context, session, wanted):
    if wanted not in values: return 51
    set_property(session, wanted, values[wanted])
    return 0
callback = Callback(give)
context, session = ctypes.c_void_p(), ctypes.c_void_p()
assert gsasl.gsasl_init(ctypes.byref(context)) == 0
gsasl.gsasl_callback_set(context, callback)
result = gsasl.gsasl_server_start(context, mechanism, ctypes.byref(session))
assert result == 0, result
while True:
    line = sys.stdin.readline()
    if not line: break
    answer = ctypes.c_char_p()
    result = gsasl.gsasl_step64(session, line.strip().encode(), ctypes.byref(answer))
    print(gsasl.gsasl_strerror_name(result).decode(), (answer.value or b'').decode(), flush=True)
`;

export interface GsaslAnswer {
  /** `GSASL_OK`, `GSASL_NEEDS_MORE`, or an error. */
  readonly result: string;
  /** base64 */
  readonly message: string;
}

export class GsaslServer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  /** @param binding value of `tls-exporter`, when the session has one */
  constructor(mechanism: string, password: string, binding: Buffer = Buffer.alloc(0)) {
    this.#child = spawn('python3', ['-c', SERVER, mechanism, password, binding.toString('base64')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** One step: the client's message for the server's. */
  async step(message: string): Promise<GsaslAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#lines.once('line', resolve).once('close', () => reject(new Error('GNU SASL ended')));
    this.#child.stdin.write(`${message}\n`);
    const [result = '', answer = ''] = (await promise).split(' ');
    return { result, message: answer };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exited;
  }
}
