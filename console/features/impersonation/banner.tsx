"use client";

import { Button } from "@/components/ui/button";
import { useMe } from "@/features/session/session";
import { useAction } from "@/lib/action";
import { useTranslations } from "@/lib/i18n";
import { endImpersonation } from "./end";

/** Reminds an administrator, on every page, of acting as another user. */
export function ImpersonationBanner() {
  const t = useTranslations("impersonation");
  const me = useMe();
  const end = useAction({ run: () => endImpersonation(me.id) });
  if (me.impersonated_by === null) return null;
  return (
    <div
      role="status"
      className="flex flex-wrap items-center justify-center gap-x-4 gap-y-2 bg-bad px-4 py-2 text-sm text-card"
    >
      <span className="min-w-0 break-words">{t("banner", { name: me.full_name || me.email })}</span>
      <Button
        variant="secondary"
        size="small"
        pending={end.isPending}
        className="text-ink"
        onClick={() => end.mutate()}
      >
        {t("end")}
      </Button>
    </div>
  );
}
