export { BackfillTexts as default } from "@/features/backfills/messages";
