import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

interface Props extends Omit<ComponentProps<"button">, "role" | "type"> {
  checked: boolean;
  /** Names the switch for screen readers. */
  label: string;
  pending?: boolean;
}

/** Turns something on or off at once. */
export function Switch({ checked, label, pending, className, onClick, ...props }: Props) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={checked}
      aria-label={label}
      aria-disabled={pending || undefined}
      onClick={pending ? undefined : onClick}
      className={cn(
        "inline-flex h-6 w-11 shrink-0 cursor-pointer items-center rounded-full border p-0.5 transition-colors aria-disabled:cursor-default aria-disabled:opacity-60",
        checked ? "border-accent bg-accent" : "border-quiet bg-line",
        className,
      )}
      {...props}
    >
      <span
        aria-hidden
        className={cn("size-4.5 rounded-full bg-card transition-transform", checked && "translate-x-5")}
      />
    </button>
  );
}
