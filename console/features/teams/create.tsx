"use client";

import type { TeamRead } from "undercroft-client";
import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";

const CreateTeamForm = dynamic(() => import("./create-form").then((module) => module.CreateTeamForm));

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onCreated: (team: TeamRead) => void;
}

export function CreateTeam({ open, onOpenChange, onCreated }: Props) {
  const t = useTranslations("teams");
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("create")} description={t("createText")}>
      <CreateTeamForm
        onCreated={(team) => {
          onOpenChange(false);
          onCreated(team);
        }}
      />
    </Dialog>
  );
}
