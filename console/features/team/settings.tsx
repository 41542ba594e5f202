"use client";

import dynamic from "next/dynamic";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Section, Skeleton } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { useCan, useTeam } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { TeamPage } from "./page";

const SettingsForm = dynamic(() => import("./settings-form").then((module) => module.SettingsForm), {
  loading: () => <Skeleton className="mb-6 h-72" />,
});
const TransferForm = dynamic(() => import("./transfer-form").then((module) => module.TransferForm));
const DeleteTeamForm = dynamic(() => import("./delete-form").then((module) => module.DeleteTeamForm));

export function TeamSettings() {
  const t = useTranslations("team.settings");
  const can = useCan();
  const team = useTeam();
  const isRefused = useMe().impersonated_by !== null || team.is_personal;
  return (
    <TeamPage text={t("text")}>
      {can("teams:write") && <SettingsForm key={team.id} />}
      {can("owners:write") && !isRefused && <Transfer />}
      {can("teams:delete") && !isRefused && <DeleteTeam />}
    </TeamPage>
  );
}

function Transfer() {
  const t = useTranslations("team.settings");
  const team = useTeam();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Section
        title={t("transfer")}
        text={t("transferText")}
        actions={
          <Button variant="secondary" onClick={() => setOpen(true)}>
            {t("transferAction")}
          </Button>
        }
      />
      <Dialog
        open={isOpen}
        onOpenChange={setOpen}
        title={t("transferTitle", { team: team.name })}
        description={t("transferDialogText")}
      >
        <TransferForm onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function DeleteTeam() {
  const t = useTranslations("team.settings");
  const team = useTeam();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Section
        title={t("delete")}
        text={t("deleteText")}
        actions={
          <Button variant="danger" onClick={() => setOpen(true)}>
            {t("delete")}
          </Button>
        }
      />
      <Dialog
        open={isOpen}
        onOpenChange={setOpen}
        title={t("deleteTitle", { team: team.name })}
        description={t("deleteDialogText")}
      >
        <DeleteTeamForm onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}
