import { cva, type VariantProps } from "class-variance-authority";
import { LoaderCircle } from "lucide-react";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const styles = cva(
  "inline-flex cursor-pointer items-center justify-center gap-2 rounded-lg text-sm font-medium whitespace-nowrap transition-colors aria-disabled:cursor-default aria-disabled:opacity-60",
  {
    variants: {
      variant: {
        primary: "bg-accent text-accent-ink hover:bg-accent/90",
        secondary: "border border-line bg-card hover:bg-ground",
        quiet: "text-quiet hover:bg-line/60 hover:text-ink",
        danger: "border border-line bg-card text-bad hover:bg-bad-ground",
      },
      size: { medium: "h-10 px-4", small: "h-8 px-3", icon: "size-9" },
    },
    defaultVariants: { variant: "primary", size: "medium" },
  },
);

interface Props extends ComponentProps<"button">, VariantProps<typeof styles> {
  /** Styles the child, such as a link, as a button. */
  asChild?: boolean;
  /** Whether the action is running. The button keeps its focus and ignores clicks. */
  pending?: boolean;
}

export function Button({ asChild, pending, variant, size, className, children, disabled, onClick, ...props }: Props) {
  const classes = cn(styles({ variant, size }), className);
  if (asChild)
    return (
      <Slot.Root className={classes} onClick={onClick} {...props}>
        {children}
      </Slot.Root>
    );
  const isOff = pending || disabled;
  return (
    <button
      type="button"
      className={classes}
      aria-disabled={isOff || undefined}
      onClick={isOff ? (event) => event.preventDefault() : onClick}
      {...props}
    >
      {pending && <LoaderCircle className="size-4 animate-spin" aria-hidden />}
      {children}
    </button>
  );
}
