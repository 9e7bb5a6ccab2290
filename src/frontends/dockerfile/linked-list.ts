/** A list that grows at its end, and never changes: lists that begin alike have that beginning in common. */
export type LinkedList<Item> = { readonly last: Item; readonly before: LinkedList<Item> } | undefined

export function appended<Item>(list: LinkedList<Item>, items: Iterable<Item>): LinkedList<Item> {
  let longer = list
  for (const last of items) longer = { last, before: longer }
  return longer
}

/** The items, first to last. */
export function itemsOf<Item>(list: LinkedList<Item>): readonly Item[] {
  const items: Item[] = []
  for (let rest = list; rest !== undefined; rest = rest.before) items.push(rest.last)
  return items.reverse()
}
