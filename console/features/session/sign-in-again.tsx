"use client";

import { Button } from "@/components/ui/button";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { ImpersonationEnded } from "@/features/impersonation/ended";
import { useTranslations } from "@/lib/i18n";
import { settle } from "@/lib/prompts";
import { useMe } from "./session";
import { usePrompt } from "./use-prompt";

/** The page that reports to the others that the user has signed in. */
const RETURN = "/app/signed-in/";

/** Asks for a sign-in, in a window of its own, so that nothing on the page is lost. */
export function SignInAgain() {
  const t = useTranslations("session");
  const kind = usePrompt();
  const { impersonated_by } = useMe();
  const isFresh = kind === "sign-in-again"; // the session is active, and was authenticated too long ago
  const open = () =>
    window.open(
      `/sign-in?${new URLSearchParams({ next: RETURN, ...(isFresh && { again: "true" }) })}`,
      "undercroft-sign-in",
    );
  if (impersonated_by !== null)
    return <ImpersonationEnded open={kind === "sign-in"} onClose={() => settle("sign-in", false)} />;
  return (
    <Dialog
      open={kind === "sign-in" || isFresh}
      onOpenChange={(open) => {
        if (!open && kind !== undefined) settle(kind, false);
      }}
      title={isFresh ? t("againTitle") : t("endedTitle")}
      description={isFresh ? t("againText") : t("endedText")}
    >
      <DialogActions>
        <Button onClick={open}>{t("signIn")}</Button>
      </DialogActions>
    </Dialog>
  );
}
