import { dockerfileError } from './dockerfile-error.ts'
import type { Flags } from './flags.ts'
import { parseHeredocHead } from './heredoc.ts'
import type { InstructionMembers } from './instructions.ts'
import type { InstructionNode } from './parser.ts'

type Transfer = Pick<
  InstructionMembers['COPY'],
  'sources' | 'heredocs' | 'destination' | 'chown' | 'chmod' | 'link' | 'exclude'
>

/** What COPY and ADD have in common. */
function parseTransfer(node: InstructionNode, flags: Flags): Transfer {
  const { words, json } = node.arguments
  const destination = words.at(-1)
  if (destination === undefined || words.length < 2) {
    throw dockerfileError(
      `${node.name} requires at least two arguments, but only one was provided. Destination could not be determined`,
    )
  }
  if (!json && parseHeredocHead(destination) !== undefined)
    throw dockerfileError(`${node.name} cannot accept a heredoc as a destination`)
  const written = words.slice(0, -1)
  const heads = written.map((word) => (json ? undefined : parseHeredocHead(word)))
  const bodies = new Map(node.heredocs.map((heredoc) => [heredoc.name, heredoc]))
  return {
    sources: written.filter((_, index) => heads[index] === undefined),
    heredocs: heads.flatMap((head) => bodies.get(head?.name ?? '') ?? []),
    destination,
    ...optional('chown', flags.text('chown')),
    ...optional('chmod', flags.text('chmod')),
    link: flags.boolean('link') ?? false,
    exclude: flags.list('exclude'),
  }
}

function optional<Name extends string>(name: Name, value: string | undefined): { [Key in Name]?: string } {
  return value === undefined || value === '' ? {} : ({ [name]: value } as { [Key in Name]?: string })
}

export function parseCopy(node: InstructionNode, flags: Flags): InstructionMembers['COPY'] {
  return {
    ...parseTransfer(node, flags),
    ...optional('from', flags.text('from')),
    parents: flags.boolean('parents') ?? false,
  }
}

export function parseAdd(node: InstructionNode, flags: Flags): InstructionMembers['ADD'] {
  const unpack = flags.boolean('unpack')
  return {
    ...parseTransfer(node, flags),
    ...optional('checksum', flags.text('checksum')),
    keepGitDir: flags.boolean('keep-git-dir') ?? false,
    ...(unpack === undefined ? {} : { unpack }),
  }
}
