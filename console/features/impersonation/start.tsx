"use client";

import dynamic from "next/dynamic";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import type { User } from "@/features/users/queries";
import { useTranslations } from "@/lib/i18n";

const ImpersonateForm = dynamic(() => import("./start-form").then((module) => module.ImpersonateForm));

/** Lets an administrator see the console as a user sees it. */
export function Impersonate({ user }: { user: User }) {
  const t = useTranslations("impersonation");
  const [isOpen, setOpen] = useState(false);
  const [isStarted, setStarted] = useState(false);
  useEffect(() => {
    if (isStarted) window.location.assign("/app/"); // when the form with unsaved changes is no longer on the page
  }, [isStarted]);
  return (
    <>
      <Button pending={isStarted} onClick={() => setOpen(true)}>
        {t("start")}
      </Button>
      <Dialog
        open={isOpen && !isStarted}
        onOpenChange={setOpen}
        title={t("startTitle", { name: user.full_name || user.email })}
        description={t("startText")}
      >
        <ImpersonateForm user={user} onStarted={() => setStarted(true)} />
      </Dialog>
    </>
  );
}
