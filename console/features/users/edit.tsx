"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";
import type { User } from "./queries";

const EditUserForm = dynamic(() => import("./edit-form").then((module) => module.EditUserForm));

interface Props {
  user: User;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function EditUser({ user, open, onOpenChange }: Props) {
  const t = useTranslations("users");
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("edit")}>
      <EditUserForm user={user} onSaved={() => onOpenChange(false)} />
    </Dialog>
  );
}
