"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";

const CreateProjectForm = dynamic(() => import("./create-form").then((module) => module.CreateProjectForm));

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function CreateProject({ open, onOpenChange }: Props) {
  const t = useTranslations("projects");
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("create")} description={t("createText")}>
      <CreateProjectForm />
    </Dialog>
  );
}
