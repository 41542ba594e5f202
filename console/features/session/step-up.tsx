"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";
import { settle } from "@/lib/prompts";
import { usePrompt } from "./use-prompt";

const StepUpForm = dynamic(() => import("./step-up-form").then((module) => module.StepUpForm));

/** Asks for the second factor or the password before a sensitive change, which then continues. */
export function StepUp() {
  const t = useTranslations("stepUp");
  const isOpen = usePrompt() === "step-up";
  return (
    <Dialog
      open={isOpen}
      onOpenChange={(open) => open || settle("step-up", false)}
      title={t("title")}
      description={t("text")}
    >
      <StepUpForm />
    </Dialog>
  );
}
