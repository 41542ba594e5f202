import Link from "next/link";
import { ArrowLeft } from "lucide-react";
import type { ReactNode } from "react";

/** Leads from the page of an entry to its list. */
export function BackLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link href={href} prefetch={false} className="mb-4 inline-flex items-center gap-1.5 text-sm text-quiet">
      <ArrowLeft className="size-4" aria-hidden />
      {children}
    </Link>
  );
}
