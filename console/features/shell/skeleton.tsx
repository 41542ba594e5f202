import { Skeleton } from "@/components/ui/layout";

/** The page before the first response. It contains no text, which would be in the wrong language. */
export function ShellSkeleton() {
  return (
    <div className="flex min-h-dvh">
      <div className="hidden w-60 shrink-0 border-r border-line bg-card p-4 lg:block">
        <Skeleton className="h-9" />
        <div className="mt-6 grid gap-3">
          <Skeleton className="h-6 w-32" />
          <Skeleton className="h-6 w-28" />
          <Skeleton className="h-6 w-36" />
        </div>
      </div>
      <div className="flex-1 p-6 lg:p-10">
        <Skeleton className="h-8 w-48" />
        <Skeleton className="mt-6 h-40" />
      </div>
    </div>
  );
}
