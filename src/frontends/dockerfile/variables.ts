import { findNode, type SortedTree, valuesOf, withValue } from './sorted-tree.ts'

/**
 * Names with values, in the order in which the names were first set. A copy takes no time and no space, and neither
 * sees what is set in the other later: many stages can begin with the variables of one.
 */
export interface Variables<Value> extends Iterable<readonly [string, Value]> {
  has(name: string): boolean
  get(name: string): Value | undefined
  set(name: string, value: Value): void
  names(): Iterable<string>
  copy(): Variables<Value>
}

interface Content<Value> {
  readonly size: number
  /** The place of each name in `entries`. */
  readonly places: SortedTree<string, number> | undefined
  readonly entries: SortedTree<number, readonly [string, Value]> | undefined
}

export function createVariables<Value>(entries: Iterable<readonly [string, Value]> = []): Variables<Value> {
  const variables = variablesOf<Value>({ size: 0, places: undefined, entries: undefined })
  for (const [name, value] of entries) variables.set(name, value)
  return variables
}

function variablesOf<Value>(start: Content<Value>): Variables<Value> {
  let content = start
  const find = (name: string) => {
    const place = findNode(content.places, name)
    return place === undefined ? undefined : findNode(content.entries, place.value)?.value
  }
  return {
    has: (name) => find(name) !== undefined,
    get: (name) => find(name)?.[1],
    set(name, value) {
      content = withVariable(content, name, value)
    },
    *names() {
      for (const [name] of valuesOf(content.entries)) yield name
    },
    copy: () => variablesOf(content),
    [Symbol.iterator]: () => valuesOf(content.entries),
  }
}

function withVariable<Value>(content: Content<Value>, name: string, value: Value): Content<Value> {
  const known = findNode(content.places, name)?.value
  const place = known ?? content.size
  return {
    size: known === undefined ? content.size + 1 : content.size,
    places: known === undefined ? withValue(content.places, name, place) : content.places,
    entries: withValue(content.entries, place, [name, value] as const),
  }
}
