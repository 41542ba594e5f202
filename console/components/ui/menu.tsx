"use client";

import type { LucideIcon } from "lucide-react";
import { Slot } from "radix-ui";
import { Suspense, lazy, useState, type ReactElement } from "react";

/** A row of a menu: an action, a link, the heading of the rows below it, or a line between groups. */
export type MenuEntry =
  | { heading: string }
  | { separator: true }
  | { label: string; icon?: LucideIcon; lang?: string; isChosen?: boolean; onSelect: () => void }
  | { label: string; icon?: LucideIcon; href: string };

export interface MenuProps {
  /** The button that opens the menu. */
  trigger: ReactElement;
  entries: readonly MenuEntry[];
  align?: "start" | "end";
}

const load = () => import("./open-menu");

const OpenMenu = lazy(() => load().then((module) => ({ default: module.OpenMenu })));

/** A menu whose code is loaded when it is first needed. */
export function Menu(props: MenuProps) {
  const [isUsed, setUsed] = useState(false);
  const closed = (
    <Slot.Root
      aria-haspopup="menu"
      aria-expanded={false}
      onPointerEnter={() => void load()}
      onFocus={() => void load()}
      onClick={() => setUsed(true)}
      onKeyDown={(event) => event.key === "ArrowDown" && setUsed(true)}
    >
      {props.trigger}
    </Slot.Root>
  );
  return isUsed ? (
    <Suspense fallback={closed}>
      <OpenMenu {...props} />
    </Suspense>
  ) : (
    closed
  );
}
