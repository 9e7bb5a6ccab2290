/**
 * A sorted tree that never changes: what is added makes a new tree, which has most of the old one in common. The
 * priorities are random, and no child's is above its parent's: that keeps the tree flat, whatever is put in.
 */
export interface SortedTree<Key extends string | number, Value> {
  readonly key: Key
  readonly value: Value
  readonly priority: number
  readonly left: SortedTree<Key, Value> | undefined
  readonly right: SortedTree<Key, Value> | undefined
}

type Tree<Key extends string | number, Value> = SortedTree<Key, Value> | undefined

/** The node of a key. */
export function findNode<Key extends string | number, Value>(
  tree: Tree<Key, Value>,
  key: Key,
): Tree<Key, Value> {
  let node = tree
  while (node !== undefined && node.key !== key) node = key < node.key ? node.left : node.right
  return node
}

/** The tree with a key's value added or replaced. */
export function withValue<Key extends string | number, Value>(
  tree: Tree<Key, Value>,
  key: Key,
  value: Value,
): SortedTree<Key, Value> {
  if (tree === undefined) return { key, value, priority: Math.random(), left: undefined, right: undefined }
  if (tree.key === key) return { ...tree, value }
  if (key < tree.key) {
    const left = withValue(tree.left, key, value)
    return left.priority > tree.priority
      ? { ...left, right: { ...tree, left: left.right } }
      : { ...tree, left }
  }
  const right = withValue(tree.right, key, value)
  return right.priority > tree.priority
    ? { ...right, left: { ...tree, right: right.left } }
    : { ...tree, right }
}

/** All values, by the order of their keys. */
export function* valuesOf<Key extends string | number, Value>(tree: Tree<Key, Value>): Generator<Value> {
  const open: SortedTree<Key, Value>[] = []
  let node = tree
  while (node !== undefined || open.length > 0) {
    for (; node !== undefined; node = node.left) open.push(node)
    const next = open.pop()
    if (next === undefined) return
    yield next.value
    node = next.right
  }
}
