"use client";

import dynamic from "next/dynamic";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Badge, Section } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { useConfig } from "@/features/shell/config";
import { useTranslations } from "@/lib/i18n";

const EmailForm = dynamic(() => import("./email-form").then((module) => module.EmailForm));

export function Email() {
  const t = useTranslations("security");
  const me = useMe();
  const [isOpen, setOpen] = useState(false);
  const [requested, setRequested] = useState<string>();
  const isPending = requested !== undefined && requested !== me.email;
  return (
    <>
      <Section
        title={t("email")}
        text={
          <>
            <span className="break-all">{me.email}</span>{" "}
            {me.email_verified && <Badge tone="good">{t("verified")}</Badge>}
          </>
        }
        actions={
          <Button variant="secondary" onClick={() => setOpen(true)}>
            {t("changeEmail")}
          </Button>
        }
      >
        {isPending ? <NextStep email={requested} /> : undefined}
      </Section>
      <Dialog open={isOpen} onOpenChange={setOpen} title={t("changeEmail")} description={t("changeEmailText")}>
        <EmailForm
          onRequested={(email) => {
            setRequested(email);
            setOpen(false);
          }}
        />
      </Dialog>
    </>
  );
}

function NextStep({ email }: { email: string }) {
  const t = useTranslations("security");
  const shell = useTranslations("shell");
  const me = useMe();
  const { mailbox_url } = useConfig();
  return (
    <div role="status" className="rounded-lg border border-line bg-ground p-4 text-sm">
      <p className="break-words">{t("emailRequested", { email, current: me.email })}</p>
      {mailbox_url !== null && (
        <p className="mt-2">
          <a href={mailbox_url} target="_blank" rel="noreferrer" className="text-accent underline">
            {shell("mailbox")}
          </a>
        </p>
      )}
    </div>
  );
}
