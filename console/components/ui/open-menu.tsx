"use client";

import { Check } from "lucide-react";
import Link from "next/link";
import { DropdownMenu as Primitive } from "radix-ui";
import { useRef } from "react";
import type { MenuEntry, MenuProps } from "./menu";

/** A menu that is open at first. */
export function OpenMenu({ trigger, entries, align = "end" }: MenuProps) {
  // Runs when the trigger has the focus again, to which a dialog that the action opens returns it.
  const chosen = useRef<() => void>(undefined);
  const run = () => {
    if (chosen.current !== undefined) setTimeout(chosen.current);
    chosen.current = undefined;
  };
  return (
    // Not modal: Radix would write a <style> element that the Content-Security-Policy refuses.
    <Primitive.Root modal={false} defaultOpen>
      <Primitive.Trigger asChild>{trigger}</Primitive.Trigger>
      <Primitive.Portal>
        <Primitive.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          onCloseAutoFocus={run}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-56 overflow-y-auto rounded-xl border border-line bg-card p-1 shadow-lg"
        >
          {entries.map((entry, index) => (
            <Row key={index} entry={entry} onChoose={(action) => (chosen.current = action)} />
          ))}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}

const item =
  "flex cursor-pointer items-center gap-2.5 rounded-lg px-2.5 py-2 text-sm outline-none data-highlighted:bg-ground data-highlighted:ring-2 data-highlighted:ring-accent";

function Row({ entry, onChoose }: { entry: MenuEntry; onChoose: (action: () => void) => void }) {
  if ("separator" in entry) return <Primitive.Separator className="my-1 border-t border-line" />;
  if ("heading" in entry)
    return <Primitive.Label className="px-2.5 py-1.5 text-xs text-quiet">{entry.heading}</Primitive.Label>;
  const { label, icon: Icon } = entry;
  const content = (
    <>
      {Icon && <Icon className="size-4 shrink-0" aria-hidden />}
      <span className="max-w-56 truncate">{label}</span>
    </>
  );
  if ("href" in entry)
    return (
      <Primitive.Item asChild className={item}>
        <Link href={entry.href} prefetch={false}>
          {content}
        </Link>
      </Primitive.Item>
    );
  return (
    <Primitive.Item
      className={item}
      lang={entry.lang}
      aria-current={entry.isChosen || undefined}
      onSelect={() => onChoose(entry.onSelect)}
    >
      {content}
      {entry.isChosen && <Check className="ml-auto size-4 text-accent" aria-hidden />}
    </Primitive.Item>
  );
}
