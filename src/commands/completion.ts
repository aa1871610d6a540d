/**
 * `sealpost completion`: what a shell needs to complete the command line, made from the table of commands.
 *
 * Guarantees: words and options are those of `--help`, so that they cannot differ from it.
 */
import type { Command } from './command.ts';
import { EXIT } from './exit.ts';

export const USAGE = `Usage: sealpost completion bash | zsh | fish

Prints a script that lets this shell complete commands and options. For the shell of now:

bash  source <(sealpost completion bash)
zsh   source <(sealpost completion zsh)
fish  sealpost completion fish | source

For every one: write it to /etc/bash_completion.d/sealpost, to _sealpost in a directory of $fpath, or to
~/.config/fish/completions/sealpost.fish.
`;

const SCRIPTS: ReadonlyMap<string, (commands: readonly Command[]) => string> = new Map([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
]);

/** @returns the exit code: 0, 64 (EX_USAGE) */
export function completion(
  [shell = '', ...more]: readonly string[],
  commands: readonly Command[],
  out: NodeJS.WritableStream,
): number {
  const script = SCRIPTS.get(shell);
  if (script === undefined || more.length > 0) {
    process.stderr.write(`sealpost completion: name one shell\n\n${USAGE}`);
    return EXIT.usage;
  }
  out.write(script(commands));
  return EXIT.ok;
}

function bash(commands: readonly Command[]): string {
  return `# bash completion of sealpost
_sealpost() {
  local words
  case "$COMP_CWORD:\${COMP_WORDS[1]}" in
    1:*) words='${commands.map(({ name }) => name).join(' ')} --help --version' ;;
${commands.map((command) => `    *:${command.name}) words='${wordsOf(command).join(' ')}' ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sealpost sealpost
`;
}

function zsh(commands: readonly Command[]): string {
  return `#compdef sealpost
_sealpost() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map(({ name, summary }) => `      ${quoted(`${name}:${summary}`)}`).join('\n')}
    )
    _describe command commands
    return
  fi
  case $words[2] in
${commands.map((command) => `    ${command.name}) compadd -- ${wordsOf(command).join(' ')} && return ;;`).join('\n')}
  esac
  _files
}
if [ "$funcstack[1]" = _sealpost ]; then _sealpost "$@"; else compdef _sealpost sealpost; fi
`;
}

function fish(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => [
    `complete -c sealpost -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.summary)}`,
    ...wordsOf(command).map((word) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      return `complete -c sealpost -n '__fish_seen_subcommand_from ${command.name}' ${what}`;
    }),
  ]);
  return `# fish completion of sealpost\n${lines.join('\n')}\n`;
}

/** The words that may follow a command: those of its usage lines, and its options. */
function wordsOf({ name, usage }: Command): readonly string[] {
  const forms = usage.split('\n\n', 1)[0]?.matchAll(new RegExp(`sealpost ${name} (.*)`, 'g')) ?? [];
  const verbs = [...forms].flatMap(([, form = '']) =>
    form.split(/ \| |[[\] ]/).filter((word) => /^[a-z]+$/.test(word)),
  );
  const options = [...usage.matchAll(/--[a-z][a-z0-9-]*/g)].map(([option]) => option);
  return [...new Set([...verbs, ...options, '--help'])];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
