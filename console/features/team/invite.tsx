"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTeam } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";

const InviteForm = dynamic(() => import("./invite-form").then((module) => module.InviteForm));

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function Invite({ open, onOpenChange }: Props) {
  const t = useTranslations("team.invitations");
  const team = useTeam();
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={t("inviteTitle", { team: team.name })}
      description={t("inviteText")}
    >
      <InviteForm onSent={() => onOpenChange(false)} />
    </Dialog>
  );
}
